/*
 * malloc, calloc and realloc of a test program that fail on demand: what Lua's own test allocator
 * does, for the C code around it. The program is linked with --wrap (LIBRARIES failing_malloc).
 *
 * Allocations are counted from malloc_fail_from on; those of libraries that are linked dynamically
 * are not seen. SQLite's are: it allocates through store/heap.c.
 */
#ifndef PINION_TEST_FAILING_MALLOC_H
#define PINION_TEST_FAILING_MALLOC_H

#include <stddef.h>

/* Allocation number `first` (from 0) and the `count - 1` behind it fail; the count begins anew. */
void malloc_fail_from(size_t first, size_t count);
/* None fails any more. Returns how many failed. */
size_t malloc_fail_none(void);

#endif
