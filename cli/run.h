/* run.h: the functions of the commands; one file each group. */
#ifndef SIGNET_CLI_RUN_H
#define SIGNET_CLI_RUN_H

#include <jansson.h>

#include "cli/cli.h"

enum cli_exit run_init(struct cli *c);
enum cli_exit run_request(struct cli *c);
enum cli_exit run_status(struct cli *c);
enum cli_exit run_version(struct cli *c);
enum cli_exit run_help(struct cli *c);
enum cli_exit run_completion(struct cli *c);
enum cli_exit run_token_create(struct cli *c);
enum cli_exit run_token_list(struct cli *c);
enum cli_exit run_token_revoke(struct cli *c);
enum cli_exit run_cert_list(struct cli *c);
enum cli_exit run_cert_show(struct cli *c);
enum cli_exit run_cert_export(struct cli *c);
enum cli_exit run_cert_revoke(struct cli *c);
enum cli_exit run_crl_show(struct cli *c);
enum cli_exit run_crl_export(struct cli *c);
enum cli_exit run_identity_ban(struct cli *c);
enum cli_exit run_identity_unban(struct cli *c);
enum cli_exit run_identity_list(struct cli *c);
enum cli_exit run_ca_show(struct cli *c);
enum cli_exit run_ca_csr(struct cli *c);
enum cli_exit run_ca_import(struct cli *c);
enum cli_exit run_ca_check(struct cli *c);
enum cli_exit run_ca_export_root(struct cli *c);
enum cli_exit run_root_status(struct cli *c);
enum cli_exit run_root_prepare(struct cli *c);
enum cli_exit run_root_activate(struct cli *c);
enum cli_exit run_root_retire(struct cli *c);
enum cli_exit run_root_restore(struct cli *c);
enum cli_exit run_root_delete(struct cli *c);
enum cli_exit run_root_add(struct cli *c);
enum cli_exit run_ca_taint(struct cli *c);
enum cli_exit run_ca_untaint(struct cli *c);
enum cli_exit run_ca_limits(struct cli *c);
enum cli_exit run_event_list(struct cli *c);
enum cli_exit run_issuer_list(struct cli *c);
enum cli_exit run_issuer_show(struct cli *c);
enum cli_exit run_issuer_forget(struct cli *c);
enum cli_exit run_config_check(struct cli *c);
enum cli_exit run_config_show(struct cli *c);
enum cli_exit run_config_reference(struct cli *c);
enum cli_exit run_policy_test(struct cli *c);

/* Is ca.directory, if there is one, a CA that the daemon would take?  (run_ca.c) */
enum cli_exit cli_ca_check(const struct cli *c, const struct conf *conf);

/* What a change of the root set did, or with --dry-run would do.  (run_root.c) */
enum cli_exit cli_root_done(struct cli *c, const json_t *answer, const char *done);

#endif
