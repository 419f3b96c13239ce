/*
 * Pattern: matches Lua's patterns (reference manual, 6.4.1) within a budget of steps.
 *
 * The stock matcher can run for years on a few dozen bytes ("(.-)*x" and its kin); this one counts
 * every step it takes and ends with PATTERN_BUDGET, as it does when the call's own budget
 * (lua/budget.h) is used up. Results, captures and errors are those of Lua's
 * string library. No allocation, no Lua state: the caller owns the matcher, subject and pattern are
 * borrowed.
 */
#ifndef PINION_LUA_PATTERN_H
#define PINION_LUA_PATTERN_H

#include "base/text.h"

enum {
    PATTERN_CAPTURES_MAX = 32,
    PATTERN_DEPTH_MAX = 200, /* nested attempts, as in Lua's own */
};

enum pattern_result { PATTERN_NO_MATCH, PATTERN_MATCH, PATTERN_ERROR, PATTERN_BUDGET };

struct pattern_capture {
    size_t start;
    ptrdiff_t len; /* or one of: */
};

enum { PATTERN_POSITION = -1, PATTERN_UNFINISHED = -2 };

struct pattern {
    struct text subject, pattern; /* the pattern without its '^' */
    int64_t steps;                /* left */
    const char *error;            /* of PATTERN_ERROR, as Lua words it; may hold one %d */
    int error_index;              /* for that %d */
    int depth;
    int count; /* captures */
    struct pattern_capture captures[PATTERN_CAPTURES_MAX];
};

void pattern_init(struct pattern *p, struct text subject, struct text pattern, int64_t steps);

/* Tries at `start` only; *end is where the match ends. Captures are from the last match. */
enum pattern_result pattern_match(struct pattern *p, size_t start, size_t *end);

/* Whether `pattern` has no special character, so that a plain search does. */
bool pattern_is_plain(struct text pattern);

/* The first place of `needle` at or after `start`, or -1. */
ptrdiff_t pattern_find_plain(struct text subject, struct text needle, size_t start);

#endif
