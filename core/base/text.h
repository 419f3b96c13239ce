/*
 * Text: a borrowed view of bytes, never terminated, never owned.
 *
 * Valid as long as what it points into; whoever stores one says in its own header how long that is.
 * Contents are bytes; where UTF-8 is required, text_is_utf8 is the check.
 */
#ifndef PINION_BASE_TEXT_H
#define PINION_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    const char *data;
    size_t len;
};

#define TEXT(literal) ((struct text){"" literal, sizeof(literal) - 1})
/* For printf("%.*s", TEXT_ARGS(t)). */
#define TEXT_ARGS(t) (int)(t).len, (t).data

static inline struct text text_of(const char *s)
{
    return (struct text){s, s ? strlen(s) : 0};
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool text_equal_nocase(struct text a, struct text b); /* ASCII letters only */
bool text_starts_with(struct text t, struct text prefix);
bool text_ends_with(struct text t, struct text suffix);
int text_compare(struct text a, struct text b); /* byte order */
struct text text_trim(struct text t);           /* without spaces and tabs at both ends */

/* Splits *rest at the first `separator`; false when *rest was already used up (data == NULL). */
bool text_split(struct text *rest, char separator, struct text *part);

/* Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct text t);

size_t text_characters(struct text t); /* code points of UTF-8 */

/*
 * Puts '?' in the place of each byte that is not part of such a sequence: for text that is only to
 * be shown.
 */
void text_repair(char *data, size_t len);

/* Decimal, an optional '-', nothing else; false on anything else or overflow. */
bool text_to_int64(struct text t, int64_t *out);

/*
 * FNV-1a, for hash tables inside one process only (not for untrusted key sets of unbounded size).
 */
uint64_t text_hash(struct text t);

#endif
