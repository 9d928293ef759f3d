/* run.h: the functions of the commands; one file each group. */
#ifndef SIGNET_CLI_RUN_H
#define SIGNET_CLI_RUN_H

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
enum cli_exit run_config_check(struct cli *c);
enum cli_exit run_config_show(struct cli *c);
enum cli_exit run_config_reference(struct cli *c);
enum cli_exit run_policy_test(struct cli *c);

/* Is ca.directory, if there is one, a CA that the daemon would take?  (run_ca.c) */
enum cli_exit cli_ca_check(const struct cli *c, const struct conf *conf);

#endif
