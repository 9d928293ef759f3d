/* step_inside.h: what ca/step.c and ca/step_brought.c share; nobody else includes it. */
#ifndef SIGNET_CA_STEP_INSIDE_H
#define SIGNET_CA_STEP_INSIDE_H

#include "ca/step.h"

struct err step_refuse(struct step_told *told, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Sets told->item. */
struct err step_choose(const struct root_set *set, const struct step *s, bool (*fits)(const struct root_item *),
                       struct step_told *told);
struct err step_rule(struct step_told *told, const struct step *s, const struct outlook_count *harm, const char *what);
struct outlook_count step_under(const struct root_set *set, const struct step *s, unsigned item);
void step_enter(struct root_item *item, enum root_state state, const struct step *s);
void step_drop(struct root_set *set, unsigned at);
struct err step_reign(struct root_set *set, const struct step *s);
void step_end_chain(struct root_set *set, const struct step *s);
/* told->item is to sign. */
struct err step_activate(struct root_set *set, const struct step *s, struct step_told *told);

/* step_brought.c */
struct err step_brought(struct root_set *set, const struct step *s, struct step_told *told);
struct err step_own(struct root_set *set, const struct step *s, struct step_told *told);
struct err step_tidy(struct root_set *set, const struct step *s, struct step_told *told);

#endif
