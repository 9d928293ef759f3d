#include "daemon/access.h"

#include <grp.h>
#include <pwd.h>

#include "base/wire.h"

struct err access_put(struct buf *out, const struct access_list *a)
{
	TRY(wire_put_u16(out, a->has_group));
	TRY(wire_put_u32(out, a->group));
	TRY(wire_put_u16(out, a->uid_count));
	for (uint16_t i = 0; i < a->uid_count; i++) TRY(wire_put_u32(out, a->uids[i]));
	return OK;
}

struct err access_take(struct bytes in, struct access_list *a)
{
	struct access_list got = { 0 };
	uint16_t has_group;

	TRY(wire_u16(&in, &has_group));
	TRY(wire_u32(&in, &got.group));
	TRY(wire_u16(&in, &got.uid_count));
	if (has_group > 1 || got.uid_count > ADMIN_UIDS_MAX) FAIL(ERR_INVALID_ARGUMENT, "access: out of range");
	got.has_group = has_group == 1;
	for (uint16_t i = 0; i < got.uid_count; i++) TRY(wire_u32(&in, &got.uids[i]));
	TRY(wire_end(&in));
	*a = got;
	return OK;
}

static struct err add_uid(struct access_list *a, uid_t uid)
{
	for (uint16_t i = 0; i < a->uid_count; i++)
		if (a->uids[i] == uid) return OK;
	if (a->uid_count == ADMIN_UIDS_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "access: too many users");
	a->uids[a->uid_count++] = uid;
	return OK;
}

struct err access_resolve(const struct conf *conf, struct access_list *a, const char **unknown)
{
	const char *group = conf_text(conf, conf->admin.group);
	const struct group *gr = group[0] == '\0' ? NULL : getgrnam(group);
	struct access_list got = { .has_group = gr != NULL, .group = gr == NULL ? 0 : gr->gr_gid };

	*unknown = group;
	if (group[0] != '\0' && gr == NULL) FAIL(ERR_NOT_FOUND, "access: no such group (admin.group)");
	for (uint32_t i = 0; i < conf->admin.users.count; i++) {
		const struct passwd *pw = getpwnam(conf_item(conf, conf->admin.users, i));

		*unknown = conf_item(conf, conf->admin.users, i);
		if (pw == NULL) FAIL(ERR_NOT_FOUND, "access: no such user (admin.users)");
		TRY(add_uid(&got, pw->pw_uid));
	}
	*a = got;
	return OK;
}
