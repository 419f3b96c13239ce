/*
 * Pattern syntax: from ECMA-262 to what PCRE2 reads. Private to contract/pattern.c.
 *
 * Only the syntax that both know passes, rewritten where they differ: \s and '.', '[' in a class,
 * pairs of surrogates, names of general categories. PCRE2 does the parsing proper and refuses what
 * is malformed.
 */
#ifndef PINION_CONTRACT_PATTERN_SYNTAX_H
#define PINION_CONTRACT_PATTERN_SYNTAX_H

#include "base/buffer.h"

struct pattern_syntax {
    struct text source;
    struct buffer out;   /* the caller releases it */
    size_t at;           /* in the source */
    size_t repeat_min;   /* the largest minimum of a repetition: x{40} */
    size_t widest_class; /* bytes of the longest [class] in `out` */
    bool refers_back;    /* \1, \k<name> */
    bool repeated;       /* a quantifier was just read */
    const char *problem;
};

/* False: `problem` at `at`, or out.failed. */
bool pattern_syntax_translate(struct pattern_syntax *s, struct text source);

/* Where in the source the byte `offset` of the translation comes from. */
size_t pattern_syntax_origin(struct text source, size_t offset);

/* The two letters that PCRE2 knows for a general category's long name, or the name itself. */
struct text pattern_syntax_category(struct text name);

#endif
