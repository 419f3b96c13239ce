/*
 * Map: text → pointer, open addressing, grows by itself.
 *
 * Keys are borrowed: whoever puts one keeps it alive as long as the entry is in the map (usually it
 * lives in the value).
 * A value is never NULL. Order of iteration is not defined, and the map must not change while one
 * goes on.
 */
#ifndef PINION_BASE_MAP_H
#define PINION_BASE_MAP_H

#include "base/text.h"

struct map_slot {
    struct text key;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots;
    size_t count, size; /* size is 0 or a power of two */
};

void map_init(struct map *m);
void map_release(struct map *m); /* frees the table, not the values */

void *map_get(const struct map *m, struct text key);      /* NULL when absent */
int map_put(struct map *m, struct text key, void *value); /* replaces; PN_ENOMEM */
void *map_remove(struct map *m, struct text key);         /* what was there, or NULL */

/* for (size_t at = 0; (value = map_next(&m, &at));) */
void *map_next(const struct map *m, size_t *at);

#endif
