/*
 * An arena for each test, which must give everything back.
 */
#ifndef PINION_TEST_ARENA_FIXTURE_H
#define PINION_TEST_ARENA_FIXTURE_H

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static inline int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return arena.used != 0;
}

#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
