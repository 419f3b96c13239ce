#include "release/usage.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS_MAX = CONTRACT_MEMBERS_MAX };

void usage_init(struct usage *u)
{
    *u = (struct usage){.day = 0};
    map_init(&u->entries);
}

static void free_entry(struct usage_entry *e)
{
    while (e->members) {
        struct usage_member *next = e->members->next;
        free(e->members);
        e->members = next;
    }
    free(e->key);
    free(e);
}

void usage_release(struct usage *u)
{
    struct usage_entry *e;
    for (size_t at = 0; (e = map_next(&u->entries, &at));)
        free_entry(e);
    map_release(&u->entries);
    usage_init(u);
}

int64_t usage_today(void)
{
    return clock_wall() / NS_PER_SECOND / (24 * 60 * 60);
}

static void shift(uint64_t days[USAGE_DAYS], size_t by)
{
    memmove(days + by, days, (USAGE_DAYS - by) * sizeof *days);
    memset(days, 0, by * sizeof *days);
}

static bool is_unused(const struct usage_entry *e)
{
    for (size_t i = 0; i < USAGE_DAYS; i++)
        if (e->calls[i])
            return false;
    return true;
}

/* The map may not change while it is walked: one that is found, or NULL. */
static struct usage_entry *find_unused(const struct usage *u)
{
    struct usage_entry *e;
    for (size_t at = 0; (e = map_next(&u->entries, &at));)
        if (is_unused(e))
            return e;
    return NULL;
}

void usage_advance(struct usage *u, int64_t today)
{
    struct usage_entry *e;
    size_t by = today - u->day > USAGE_DAYS ? USAGE_DAYS : (size_t)(today - u->day);
    if (!u->since)
        u->since = today;
    if (today <= u->day) /* a clock that was set back */
        return;
    u->day = today;
    for (size_t at = 0; (e = map_next(&u->entries, &at));) {
        shift(e->calls, by);
        shift(e->by_route, by);
        for (struct usage_member *m = e->members; m; m = m->next)
            shift(m->days, by);
    }
    while ((e = find_unused(u))) {
        map_remove(&u->entries, text_of(e->key));
        free_entry(e);
    }
    u->dirty = true;
}

static size_t count_callers(const struct usage *u, struct text capability)
{
    const struct usage_entry *e;
    size_t count = 0;
    for (size_t at = 0; (e = map_next(&u->entries, &at));)
        count += text_equal(e->capability, capability);
    return count;
}

static struct usage_entry *new_entry(struct usage *u, const char *key, size_t capability_len)
{
    struct usage_entry *e = u->entries.count < USAGE_ENTRIES_MAX ? calloc(1, sizeof *e) : NULL;
    if (!e || !(e->key = strdup(key))) {
        free(e);
        return NULL;
    }
    e->capability = (struct text){e->key, capability_len};
    e->caller = text_of(e->key + capability_len + 1);
    if (map_put(&u->entries, text_of(e->key), e) == 0) {
        u->news++;
        return e;
    }
    free_entry(e);
    return NULL;
}

static struct usage_entry *entry_of(struct usage *u, struct text capability, struct text caller)
{
    char key[256];
    if (capability.len + caller.len + 2 > sizeof key)
        return NULL;
    snprintf(key, sizeof key, "%.*s %.*s", TEXT_ARGS(capability), TEXT_ARGS(caller));
    struct usage_entry *e = map_get(&u->entries, text_of(key));
    if (e)
        return e;
    if (count_callers(u, capability) >= USAGE_CALLERS_MAX && !text_equal(caller, TEXT("other")))
        return entry_of(u, capability, TEXT("other"));
    return new_entry(u, key, capability.len);
}

struct usage_entry *usage_add(struct usage *u, struct text capability, struct text caller,
                              uint64_t calls, uint64_t by_route)
{
    struct usage_entry *e = entry_of(u, capability, caller);
    if (!e)
        return NULL;
    e->calls[0] += calls;
    e->by_route[0] += by_route;
    u->dirty = true;
    return e;
}

void usage_add_member(struct usage *u, struct usage_entry *entry, struct text name, uint64_t count)
{
    struct usage_member *m = entry->members;
    size_t members = 0;
    for (; m && !text_equal(text_of(m->name), name); m = m->next)
        members++;
    if (!m && members < MEMBERS_MAX && (m = calloc(1, sizeof *m + name.len + 1))) {
        memcpy(m->name, name.data, name.len);
        m->next = entry->members;
        entry->members = m;
        u->news++;
    }
    if (m)
        m->days[0] += count;
    u->dirty = true;
}

uint64_t usage_sum(const uint64_t days[USAGE_DAYS])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < USAGE_DAYS_TOLD; i++)
        sum += days[i];
    return sum;
}
