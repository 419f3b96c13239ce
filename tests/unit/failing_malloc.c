#include "failing_malloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static size_t first_failing = SIZE_MAX, failing;
static atomic_size_t seen, failed; /* threads allocate too */

void malloc_fail_from(size_t first, size_t count)
{
    first_failing = first;
    failing = count;
    seen = failed = 0;
}

size_t malloc_fail_none(void)
{
    size_t result = failed;
    malloc_fail_from(SIZE_MAX, 0);
    return result;
}

static bool fails(void)
{
    size_t n = seen++;
    bool result = n >= first_failing && n - first_failing < failing;
    failed += result;
    return result;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}
