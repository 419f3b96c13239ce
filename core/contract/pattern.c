#include "contract/pattern.h"

#include "contract/pattern_syntax.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/*
 * What a match may cost, in steps: each item of the pattern that is tried is one, and so is each
 * stretch of STRETCH characters that a repetition runs over. PCRE2's own limit begins anew at each
 * place of the text and does not see such runs.
 */
enum {
    STEPS_BASE = 100 * 1000,
    STEPS_PER_BYTE = 8,
    STEPS_MAX = 500 * 1000,
    STRETCH = 16,
    CLASS_STRETCH = 16,      /* bytes of a class that cost as much as one character */
    REFERENCE_STRETCH = 256, /* bytes of the text that a reference may compare in a step */
    BACKTRACK_KIB = 8 * 1024,
    GROUPS_DEEP = 50, /* PCRE2 compiles them by recursion */
};

struct contract_pattern {
    const pcre2_code *code;
    size_t repeat_min, weight, base;
    bool refers_back;
};

struct match_account {
    const struct contract_pattern *pattern;
    size_t steps, limit, last, each;
};

static void *arena_give(size_t size, void *arena)
{
    return arena_alloc(arena, size);
}

static void arena_take(void *block, void *arena)
{
    (void)block;
    (void)arena;
}

static void *heap_give(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void heap_take(void *block, void *user)
{
    (void)user;
    free(block);
}

static int refuse_source(struct text source, int number, size_t offset, struct pn_error *err)
{
    char problem[256];
    if (number == PCRE2_ERROR_HEAP_FAILED)
        return pn_error_set(err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
    if (pcre2_get_error_message(number, (PCRE2_UCHAR *)problem, sizeof problem) < 0)
        problem[0] = 0;
    bool large = number == PCRE2_ERROR_PATTERN_TOO_LARGE;
    return pn_error_set(err, large ? PN_ELIMIT : PN_EINVAL, "pattern '%.*s' at byte %zu: %s",
                        TEXT_ARGS(source), pattern_syntax_origin(source, offset), problem);
}

static pcre2_compile_context *make_context(struct arena *arena)
{
    pcre2_general_context *general = pcre2_general_context_create(arena_give, arena_take, arena);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    if (!context)
        return NULL;
    pcre2_set_parens_nest_limit(context, GROUPS_DEEP);
    return context;
}

static int compile(struct contract_pattern *p, struct arena *arena, const struct pattern_syntax *s,
                   struct pn_error *err)
{
    int number;
    size_t offset;
    pcre2_compile_context *context = make_context(arena);
    if (!context)
        return pn_error_set(err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
    struct text t = buffer_text(&s->out);
    p->code = pcre2_compile((PCRE2_SPTR)t.data, t.len,
                            PCRE2_UTF | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
                                PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
                            &number, &offset, context);
    return p->code ? 0 : refuse_source(s->source, number, offset, err);
}

int contract_pattern_compile(const struct contract_pattern **out, struct arena *arena,
                             struct text source, struct pn_error *err)
{
    if (source.len > CONTRACT_PATTERN_SOURCE_MAX)
        return pn_error_set(err, PN_ELIMIT, "a pattern of %zu bytes, more than %d", source.len,
                            CONTRACT_PATTERN_SOURCE_MAX);
    struct contract_pattern *p = arena_alloc(arena, sizeof *p);
    struct pattern_syntax s;
    int rc = PN_ENOMEM;
    if (!pattern_syntax_translate(&s, source) && s.problem)
        rc = pn_error_set(err, PN_EINVAL, "pattern '%.*s' at byte %zu: %s", TEXT_ARGS(source), s.at,
                          s.problem);
    else if (s.out.failed || !p)
        rc = pn_error_set(err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
    else
        rc = compile(p, arena, &s, err);
    buffer_release(&s.out);
    if (rc != 0)
        return rc;
    p->repeat_min = s.repeat_min;
    p->weight = 1 + s.widest_class / CLASS_STRETCH;
    p->base = 1 + s.widest_class / (CLASS_STRETCH * 4);
    p->refers_back = s.refers_back;
    *out = p;
    return 0;
}

void contract_matcher_init(struct contract_matcher *m)
{
    *m = (struct contract_matcher){NULL, NULL, 0};
}

void contract_matcher_release(struct contract_matcher *m)
{
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    contract_matcher_init(m);
}

static bool prepare(struct contract_matcher *m)
{
    if (m->data)
        return true;
    pcre2_general_context *general = pcre2_general_context_create(heap_give, heap_take, NULL);
    if (!general)
        return false;
    if (!m->context)
        m->context = pcre2_match_context_create(general);
    if (m->context)
        m->data = pcre2_match_data_create(1, general);
    pcre2_general_context_free(general);
    if (!m->data)
        return false;
    pcre2_set_heap_limit(m->context, BACKTRACK_KIB);
    return true;
}

/* PCRE2 calls this before each item of the pattern that it tries. */
static int count_step(pcre2_callout_block *block, void *user)
{
    struct match_account *a = user;
    size_t at = block->current_position;
    size_t moved = at > a->last ? at - a->last : a->last - at;
    a->last = at;
    a->steps += a->each + (moved + a->pattern->repeat_min) * a->pattern->weight / STRETCH;
    return a->steps > a->limit ? PCRE2_ERROR_CALLOUT : 0;
}

static size_t steps_for(struct text subject)
{
    size_t most = (STEPS_MAX - STEPS_BASE) / STEPS_PER_BYTE;
    return subject.len < most ? STEPS_BASE + subject.len * STEPS_PER_BYTE : STEPS_MAX;
}

enum contract_pattern_result contract_pattern_match(const struct contract_pattern *pattern,
                                                    struct text subject, struct contract_matcher *m)
{
    struct match_account account = {pattern, 0, steps_for(subject), 0, pattern->base};
    m->steps = 0;
    if (!prepare(m))
        return CONTRACT_PATTERN_NO_MEMORY;
    if (pattern->refers_back)
        account.each += subject.len / REFERENCE_STRETCH;
    pcre2_set_callout(m->context, count_step, &account);
    int rc = pcre2_match(pattern->code, (PCRE2_SPTR)subject.data, subject.len, 0, 0, m->data,
                         m->context);
    m->steps = account.steps + 1;
    switch (rc) {
    case PCRE2_ERROR_NOMATCH:
        return CONTRACT_PATTERN_NO_MATCH;
    case PCRE2_ERROR_NOMEMORY:
        return CONTRACT_PATTERN_NO_MEMORY;
    default: /* 0: it matches, and there is no room for groups, which nobody asks for */
        return rc >= 0 ? CONTRACT_PATTERN_MATCH : CONTRACT_PATTERN_COSTLY;
    }
}
