/*
 * What the tests of exports share: a plugin from its init.lua, in a set of its own, and looks into
 * the text that was made of it.
 *
 * Life: as vm_fixture.h, whose set_up and tear_down these tests use.
 */
#ifndef PINION_TEST_CLIENT_FIXTURE_H
#define PINION_TEST_CLIENT_FIXTURE_H

#include "lua/vm_fixture.h"

#include "failing_malloc.h"

/* The plugin 'test' with these declarations. */
#define DECLARES(declarations) PLUGIN declarations "\nreturn p\n"
#define RUNS "run = function() end }\n"

static inline struct contract_set set_of(const char *init, const struct plugin_definition **one)
{
    load(init);
    *one = &fx.definition;
    return (struct contract_set){one, 1};
}

static inline void has(const char *wanted)
{
    if (!strstr(out(), wanted))
        fail_msg("there is no\n%s\nin\n%.8000s", wanted, strstr(out(), "---- test"));
}

static inline void has_not(const char *unwanted)
{
    const char *found = strstr(out(), unwanted);
    if (found)
        fail_msg("there is\n%.400s", found);
}

#endif
