#include "plugin/tally.h"

#include <assert.h>
#include <stdlib.h>

/* There is always a free slot, also when each capability has its row of "other". */
static_assert(TALLY_SLOTS >= 2 * (TALLY_ROWS_MAX + 256), "at most half full");

#define UNKNOWN TEXT("unknown")
#define OTHER TEXT("other")

void tally_release(struct tally *t)
{
    for (size_t i = 0; t->slots && i < TALLY_SLOTS; i++)
        free(t->slots[i]);
    free(t->slots);
    *t = (struct tally){.slots = NULL};
}

static bool is_caller(struct text name)
{
    if (name.len == 0 || name.len >= TALLY_CALLER_SIZE || name.data[0] < 'a' || name.data[0] > 'z')
        return false;
    for (size_t i = 1; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static struct text caller_of(const struct call_origin *origin)
{
    for (size_t i = 0; i < origin->header_count; i++)
        if (text_equal_nocase(origin->headers[i].name, TEXT("pinion-caller")))
            return is_caller(origin->headers[i].value) ? origin->headers[i].value : UNKNOWN;
    return UNKNOWN;
}

static struct tally_row **find(const struct tally *t, const struct capability *c,
                               struct text caller)
{
    size_t at = (size_t)(text_hash(caller) ^ ((uintptr_t)c >> 4));
    for (;; at++) {
        struct tally_row **slot = &t->slots[at % TALLY_SLOTS];
        if (!*slot || ((*slot)->capability == c && text_equal(text_of((*slot)->caller), caller)))
            return slot;
    }
}

static struct tally_row *row_of(struct tally *t, const struct capability *c, struct text caller)
{
    if (!t->slots && !(t->slots = calloc(TALLY_SLOTS, sizeof(void *))))
        return NULL;
    struct tally_row **slot = find(t, c, caller);
    if (!*slot && t->count >= TALLY_ROWS_MAX) {
        caller = OTHER;
        slot = find(t, c, caller);
    }
    if (*slot)
        return *slot;
    struct tally_row *row = calloc(1, sizeof *row + c->input->count * sizeof *row->members);
    if (!row)
        return NULL;
    row->capability = c;
    memcpy(row->caller, caller.data, caller.len);
    t->count++;
    *slot = row;
    return row;
}

/* The path of a declared route is never below one of the host's own. */
static bool is_by_route(const struct call *call)
{
    struct text path = call->origin->path;
    return call->capability->path.len && path.len && !text_starts_with(path, TEXT("/call/")) &&
           !text_equal(path, TEXT("/mcp"));
}

void tally_count(struct tally *t, const struct call *call)
{
    struct tally_row *row = row_of(t, call->capability, caller_of(call->origin));
    if (!row)
        return;
    row->calls++;
    row->by_route += is_by_route(call);
    for (size_t i = 0; i < sizeof call->sent / sizeof *call->sent; i++)
        for (uint64_t bits = call->sent[i]; bits; bits &= bits - 1)
            row->members[64 * i + (size_t)__builtin_ctzll(bits)]++;
}

void tally_take(struct tally *t, void (*tell)(void *user, const struct tally_row *row), void *user)
{
    bool full = t->count >= TALLY_ROWS_MAX;
    for (size_t i = 0; t->slots && i < TALLY_SLOTS; i++) {
        struct tally_row *row = t->slots[i];
        if (!row || !row->calls)
            continue;
        tell(user, row);
        row->calls = row->by_route = 0;
        memset(row->members, 0, row->capability->input->count * sizeof *row->members);
    }
    if (full) /* callers of long ago make room */
        tally_release(t);
}
