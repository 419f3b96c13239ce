#include "base/map.h"

#include "base/error.h"

#include <stdlib.h>

void map_init(struct map *m)
{
    *m = (struct map){NULL, 0, 0};
}

void map_release(struct map *m)
{
    free(m->slots);
    map_init(m);
}

/* The slot that holds `key`, or the free one where it would go. There is always a free one. */
static struct map_slot *find(const struct map *m, struct text key)
{
    size_t i = text_hash(key) & (m->size - 1);
    while (m->slots[i].value && !text_equal(m->slots[i].key, key))
        i = (i + 1) & (m->size - 1);
    return &m->slots[i];
}

void *map_get(const struct map *m, struct text key)
{
    return m->size ? find(m, key)->value : NULL;
}

static int grow(struct map *m)
{
    struct map bigger = {NULL, 0, m->size ? m->size * 2 : 8};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots)
        return PN_ENOMEM;
    for (size_t i = 0; i < m->size; i++) {
        if (!m->slots[i].value)
            continue;
        *find(&bigger, m->slots[i].key) = m->slots[i];
        bigger.count++;
    }
    free(m->slots);
    *m = bigger;
    return 0;
}

int map_put(struct map *m, struct text key, void *value)
{
    if ((m->count + 1) * 4 > m->size * 3 && grow(m) != 0)
        return PN_ENOMEM;
    struct map_slot *slot = find(m, key);
    if (!slot->value)
        m->count++;
    *slot = (struct map_slot){key, value};
    return 0;
}

void *map_remove(struct map *m, struct text key)
{
    if (!m->size)
        return NULL;
    struct map_slot *slot = find(m, key);
    void *value = slot->value;
    if (!value)
        return NULL;
    slot->value = NULL;
    m->count--;
    /* Put back what follows without a gap, so that no tombstones are needed. */
    size_t mask = m->size - 1;
    for (size_t i = ((size_t)(slot - m->slots) + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        struct map_slot moved = m->slots[i];
        m->slots[i].value = NULL;
        *find(m, moved.key) = moved;
    }
    return value;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->size) {
        void *value = m->slots[(*at)++].value;
        if (value)
            return value;
    }
    return NULL;
}
