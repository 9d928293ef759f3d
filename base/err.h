/* err.h: the one result type of every fallible call.
 *
 * Codes are google.rpc.Code, so that the gRPC edge needs no mapping.  `reason` is always a literal (greppable; it
 * can carry neither a secret nor a peer's bytes) and never NULL.  `cause` (errno, an OpenSSL or LMDB code) is for our
 * own log and never leaves the process towards a client.  Any thread; no state. */
#ifndef SIGNET_BASE_ERR_H
#define SIGNET_BASE_ERR_H

enum err_code {
	ERR_OK = 0,
	ERR_CANCELLED = 1,
	ERR_UNKNOWN = 2,
	ERR_INVALID_ARGUMENT = 3,
	ERR_DEADLINE_EXCEEDED = 4,
	ERR_NOT_FOUND = 5,
	ERR_ALREADY_EXISTS = 6,
	ERR_PERMISSION_DENIED = 7,
	ERR_RESOURCE_EXHAUSTED = 8,
	ERR_FAILED_PRECONDITION = 9,
	ERR_ABORTED = 10,
	ERR_OUT_OF_RANGE = 11,
	ERR_UNIMPLEMENTED = 12,
	ERR_INTERNAL = 13,
	ERR_UNAVAILABLE = 14,
	ERR_DATA_LOSS = 15,
	ERR_UNAUTHENTICATED = 16,
};

struct [[nodiscard]] err {
	enum err_code code;
	const char *reason;  /* a literal; starts with the folder: "csr: ..." */
	unsigned long cause; /* 0 if none */
};

#define OK ((struct err){ .code = ERR_OK, .reason = "ok", .cause = 0 })
#define ERR(c, why) ((struct err){ .code = (c), .reason = "" why, .cause = 0 })
#define ERR_BY(c, why, by) ((struct err){ .code = (c), .reason = "" why, .cause = (unsigned long)(by) })
#define FAIL(c, why) return ERR(c, why)
/* FAIL_BY(code, why, errno): the same with a cause for the log. */
#define FAIL_BY(c, why, by) return ERR_BY(c, why, by)
#define TRY(call)                                                                                                      \
	do {                                                                                                           \
		struct err try_ = (call);                                                                              \
		if (try_.code != ERR_OK) return try_;                                                                  \
	} while (0)

/* "INVALID_ARGUMENT" and so on; "UNKNOWN" for a value outside the enum.  Static storage. */
const char *err_code_name(enum err_code code);

#endif
