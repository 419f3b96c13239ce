/*
 * Pattern: a regular expression in the flavour of ECMA-262 (with its "u" flag), by PCRE2.
 *
 * What ECMA-262 does not know (recursion, conditions, verbs, callouts, \C …) is refused, so nothing
 * depends on the library behind. A match counts what it costs and ends with CONTRACT_PATTERN_COSTLY
 * when that is too much: a few milliseconds at most for a text of some kilobytes, and always the
 * same answer for the same text. No machine code is made at run time.
 *
 * Life: a pattern lives in its arena and needs no release. A matcher holds the memory that matches
 * work in and serves any number of patterns, one at a time: matcher_init, matches, matcher_release.
 */
#ifndef PINION_CONTRACT_PATTERN_H
#define PINION_CONTRACT_PATTERN_H

#include "base/arena.h"
#include "base/error.h"

enum { CONTRACT_PATTERN_SOURCE_MAX = 1024 }; /* bytes */

struct contract_pattern;

struct contract_matcher {
    void *data, *context; /* NULL until the first match */
    size_t steps;         /* what the last match cost */
};

enum contract_pattern_result {
    CONTRACT_PATTERN_NO_MATCH,
    CONTRACT_PATTERN_MATCH,
    CONTRACT_PATTERN_COSTLY, /* it took too many steps; whoever asks must not take it for either */
    CONTRACT_PATTERN_NO_MEMORY,
};

/* `source` is UTF-8, not kept. PN_EINVAL says what is wrong and at which byte; PN_ELIMIT (too long
 * or too large), PN_ENOMEM. */
int contract_pattern_compile(const struct contract_pattern **out, struct arena *arena,
                             struct text source, struct pn_error *err);

void contract_matcher_init(struct contract_matcher *m);
void contract_matcher_release(struct contract_matcher *m);

/* Whether any part of `subject`, which is UTF-8, matches. */
enum contract_pattern_result contract_pattern_match(const struct contract_pattern *pattern,
                                                    struct text subject,
                                                    struct contract_matcher *m);

#endif
