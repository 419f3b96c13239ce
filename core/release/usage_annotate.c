/*
 * Changes and who has used what they break.
 */
#include "release/usage.h"

#include "base/clock.h"

#include <stdio.h>

enum { NAMED = 3 };

/* What is to be counted for a change: a member of the input, the route, or all calls. */
static uint64_t count(const struct usage_entry *e, const struct contract_change *change)
{
    struct text place = change->place, first;
    if (text_equal(place, TEXT("http")))
        return usage_sum(e->by_route);
    if (!text_starts_with(place, TEXT("input/")) || change->rule == CONTRACT_MEMBER_REQUIRED)
        return usage_sum(e->calls);
    text_split(&place, '/', &first);
    text_split(&place, '/', &first);
    for (const struct usage_member *m = e->members; m; m = m->next)
        if (text_equal(text_of(m->name), first))
            return usage_sum(m->days);
    return 0;
}

struct callers {
    uint64_t total, most[NAMED]; /* the most first */
    struct text names[NAMED];
    size_t count;
};

static void add_caller(struct callers *c, struct text name, uint64_t times)
{
    c->total += times;
    c->count++;
    for (size_t i = 0; i < NAMED; i++) {
        if (times < c->most[i] ||
            (times == c->most[i] && c->names[i].len && text_compare(name, c->names[i]) > 0))
            continue;
        uint64_t moved = c->most[i];
        struct text moved_name = c->names[i];
        c->most[i] = times;
        c->names[i] = name;
        times = moved;
        name = moved_name;
    }
}

/* 1204 → "1,204" */
static void print_number(struct buffer *out, uint64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            buffer_append_char(out, ',');
        buffer_append_char(out, digits[i]);
    }
}

static void print_unused(struct buffer *out, const struct usage *u)
{
    char since[CLOCK_RFC3339_SIZE];
    int64_t first = u->day - USAGE_DAYS_TOLD + 1;
    clock_rfc3339((u->since > first ? u->since : first) * 24 * 60 * 60 * NS_PER_SECOND, since);
    buffer_printf(out, "never used since %.10s", since);
}

static void print_callers(struct buffer *out, const struct usage *u, const struct callers *c)
{
    if (c->total == 0) {
        print_unused(out, u);
        return;
    }
    buffer_append_string(out, "used ");
    print_number(out, c->total);
    buffer_printf(out, " time%s in %d days by ", c->total == 1 ? "" : "s", USAGE_DAYS_TOLD);
    for (size_t i = 0; i < c->count && i < NAMED; i++)
        buffer_printf(out, "%s%.*s", i ? ", " : "", TEXT_ARGS(c->names[i]));
    if (c->count > NAMED)
        buffer_printf(out, " and %zu more", c->count - NAMED);
}

static int annotate(const struct usage *u, struct contract_change *change, struct arena *arena)
{
    struct callers callers = {.count = 0};
    struct buffer out = BUFFER_INIT;
    const struct usage_entry *e;
    for (size_t at = 0; (e = map_next(&u->entries, &at));) {
        uint64_t times = text_equal(e->capability, change->capability) ? count(e, change) : 0;
        if (times)
            add_caller(&callers, e->caller, times);
    }
    print_callers(&out, u, &callers);
    if (!out.failed)
        change->usage = arena_text(arena, buffer_text(&out));
    buffer_release(&out);
    return change->usage.data ? 0 : PN_ENOMEM;
}

int usage_annotate(const struct usage *u, struct contract_changes *changes, struct arena *arena)
{
    int rc = 0;
    if (!u->since)
        return 0;
    for (struct contract_change *c = changes->first; c && rc == 0; c = c->next)
        if (contract_rule_class(c->rule) == CONTRACT_BREAKS_CALLERS)
            rc = annotate(u, c, arena);
    return rc;
}
