/* step.h: the changes of a root set and their rules: a root signs only when every certificate that has not ended was answered
 * together with it; a root goes only when nothing that verifies by it is left.  `force` breaks these two rules and no other.
 *
 * Pure: no I/O, no clock.  In place, on a set whose views the caller keeps alive; on failure the set is to be thrown away. */
#ifndef SIGNET_CA_STEP_H
#define SIGNET_CA_STEP_H

#include "ca/brought.h"
#include "ca/outlook.h"

enum step_kind { /* numbers are on the wire (ca/wire_admin.h) */
	STEP_PREPARE = 1,  /* a new root of our own, trusted, not signing */
	STEP_ACTIVATE = 2, /* a trusted root of our own signs from now on; what signed before is old */
	STEP_RETIRE = 3,   /* trusted no more; one of our own is kept, so that it can be restored */
	STEP_RESTORE = 4,  /* trusted again */
	STEP_DELETE = 5,   /* a kept one goes, and its key with it */
	STEP_ADD = 6,      /* somebody else's root, trusted */
	STEP_TAINT = 7,    /* everything under a key that signs no more is to be renewed */
	STEP_UNTAINT = 8,
	STEP_IMPORT = 9,   /* sign with an intermediate whose key was made here */
	STEP_FILES = 10,   /* sign with the CA in ca.directory */
	STEP_OWN = 11,     /* sign with a root of our own again: ca.directory is gone */
	STEP_TIDY = 12,    /* drop what only waited for its last certificate */
	STEP_KIND_COUNT
};

struct step {
	enum step_kind kind;
	bool force;
	bool cross;                     /* PREPARE: let the active root sign the new one too */
	bool directory;                 /* ca.directory is configured: what is in its files is changed there */
	struct bytes root;              /* first hex digits of the root's id; empty: the only one that it can be */
	uint8_t signer[KEY_SKI_LEN];    /* TAINT, UNTAINT */
	struct bytes cert, blob;        /* PREPARE, ADD */
	struct bytes cross_cert;        /* PREPARE with `cross`: root_cross(); empty in a trial */
	const struct brought *brought;  /* IMPORT, FILES */
	int64_t now;                    /* Unix seconds */
	uint64_t next;                  /* index that the next record will get */
	const struct outlook *outlook;  /* of this very set */
};

#define STEP_TEXT_MAX 256
struct step_told {
	unsigned item;                  /* that it was about; SET_ITEMS_MAX: none */
	struct outlook_count harm;      /* certificates whose holders it breaks, or would */
	enum outlook_kind harm_kind;    /* which they are: outlook_who() with outlook_item */
	unsigned outlook_item;
	bool changed;
	const char *event;              /* "root_activated" */
	char subject[2 * SET_ID_LEN + 1]; /* id of the root, or key identifier, in hex */
	char why[STEP_TEXT_MAX];        /* refused: what is wrong and what to do */
};

/* OK; told->changed says whether it changed anything.  INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION: told->why.  A broken rule
 * is FAILED_PRECONDITION with told->harm.certs > 0; forced, it is OK, and harm says who breaks. */
struct err step_apply(struct root_set *set, const struct step *step, struct step_told *told);
/* STEP_PREPARE with `cross`, before step_apply(): may the active root sign another? */
struct err step_may_cross(const struct root_set *set, struct step_told *told);

#endif
