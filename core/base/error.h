/*
 * Errors: one table of codes, and the detail that travels with them.
 *
 * Functions return 0 (or a non-negative result) or a negative PN_E… code. The detail is a message
 * in a caller-owned `struct pn_error`, always the last parameter; it may be NULL where the caller
 * wants the code only.
 * Messages are lower case, quote their subject, name the place and the reason, and end without a
 * full stop.
 */
#ifndef PINION_BASE_ERROR_H
#define PINION_BASE_ERROR_H

#include <stdarg.h>

/* code, number, what it means when nothing more is known */
#define PN_ERRORS(X)                                                                               \
    X(PN_ENOMEM, -1, "out of memory")                                                              \
    X(PN_EINVAL, -2, "invalid value")                                                              \
    X(PN_ELIMIT, -3, "limit exceeded")                                                             \
    X(PN_EIO, -4, "input/output error")                                                            \
    X(PN_ENOTFOUND, -5, "not found")                                                               \
    X(PN_EEXIST, -6, "already exists")                                                             \
    X(PN_EBUSY, -7, "busy")                                                                        \
    X(PN_ECLOSED, -8, "closed")                                                                    \
    X(PN_ETIMEOUT, -9, "timed out")                                                                \
    X(PN_ESCRIPT, -10, "script error")                                                             \
    X(PN_ECONTRACT, -11, "contract violated")                                                      \
    X(PN_ESTORE, -12, "store error")                                                               \
    X(PN_EFULL, -13, "storage full")                                                               \
    X(PN_EDENIED, -14, "not permitted")

enum pn_error_code {
    PN_OK = 0,
#define X(name, number, text) name = number,
    PN_ERRORS(X)
#undef X
};

enum { PN_ERROR_MESSAGE_MAX = 1024 };

struct pn_error {
    int code;
    char message[PN_ERROR_MESSAGE_MAX]; /* always terminated; cut off with "…" when too long */
};

#define PN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* "invalid value" for PN_EINVAL; never NULL. */
const char *pn_error_text(int code);

/*
 * Fills *err (when not NULL) and returns `code`, so that `return pn_error_set(err, …)` reads well.
 */
int pn_error_set(struct pn_error *err, int code, const char *fmt, ...) PN_PRINTF(3, 4);

/* As pn_error_set, with ": " and the text of errno behind it. */
int pn_error_errno(struct pn_error *err, int code, const char *fmt, ...) PN_PRINTF(3, 4);

/* Puts "context: " in front of what *err already says; returns its code. */
int pn_error_wrap(struct pn_error *err, const char *fmt, ...) PN_PRINTF(2, 3);

#endif
