#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *pn_error_text(int code)
{
    switch (code) {
#define X(name, number, text)                                                                      \
    case name:                                                                                     \
        return text;
        PN_ERRORS(X)
#undef X
    default:
        return code == PN_OK ? "no error" : "unknown error";
    }
}

/* Cuts at a UTF-8 boundary, so that a message stays valid text in a JSON answer. */
static void mark_cut(char *message, size_t size, int wanted)
{
    if (wanted < 0 || (size_t)wanted < size || size < sizeof "…")
        return; /* with less room than that, what stands before it was cut and marked already */
    size_t at = size - sizeof "…";
    while (at > 0 && ((unsigned char)message[at] & 0xC0) == 0x80)
        at--;
    memcpy(message + at, "…", sizeof "…");
}

static void format(struct pn_error *err, const char *fmt, va_list args)
{
    int wanted = vsnprintf(err->message, sizeof err->message, fmt, args);
    mark_cut(err->message, sizeof err->message, wanted);
}

int pn_error_set(struct pn_error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    format(err, fmt, args);
    va_end(args);
    return code;
}

int pn_error_errno(struct pn_error *err, int code, const char *fmt, ...)
{
    int saved = errno;
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    format(err, fmt, args);
    va_end(args);
    size_t len = strlen(err->message);
    int wanted = snprintf(err->message + len, sizeof err->message - len, ": %s", strerror(saved));
    mark_cut(err->message + len, sizeof err->message - len, wanted);
    return code;
}

int pn_error_wrap(struct pn_error *err, const char *fmt, ...)
{
    if (!err)
        return PN_EINVAL;
    char inner[PN_ERROR_MESSAGE_MAX];
    memcpy(inner, err->message, sizeof inner);
    va_list args;
    va_start(args, fmt);
    format(err, fmt, args);
    va_end(args);
    size_t len = strlen(err->message);
    int wanted = snprintf(err->message + len, sizeof err->message - len, ": %s", inner);
    mark_cut(err->message + len, sizeof err->message - len, wanted);
    return err->code;
}
