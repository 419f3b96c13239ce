/*
 * What checking a contract costs: the greet body decoded into Lua values and encoded again, along its
 * contract and along "any", which checks nothing but the JSON itself. Rounds of both take turns;
 * prints nanoseconds for one body and the ratio.
 */
#include "lua/decoder.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 41, BODIES = 20000 };

static const char plugin[] =
    "local pinion = require 'pinion'\nlocal t = pinion.types\n"
    "local p = pinion.plugin { name = 'bench', version = '1.0.0', layer = 'record' }\n"
    "p:query 'greet' { input = { name = t.string { min_length = 1, max_length = 100 },\n"
    "items = t.array(t.integer { min = 0 }) { max_items = 100 } }, run = print }\nreturn p\n";

static const char body[] = "{\"name\":\"Ada\",\"items\":[3,4,5]}";

static bool find(void *user, struct text path, struct text *content)
{
    (void)user;
    *content = text_of(plugin);
    return text_equal(path, TEXT("init.lua"));
}

struct job {
    const struct contract_type *type;
    struct buffer out, scratch;
    struct contract_offences offences;
    int64_t took;
};

static int work(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    struct contract_path root = {NULL, {NULL, 0}, 0};
    int64_t begun = clock_thread_cpu();
    for (int i = 0; i < BODIES; i++) {
        struct decoder d = {.L = L, .offences = &job->offences};
        json_reader_init(&d.reader, text_of(body), &job->scratch);
        buffer_clear(&job->out);
        if (!decode_value(&d, job->type, &root, json_reader_next(&d.reader)) ||
            !codec_encode(L, -1, job->type, &job->out, &job->offences))
            abort();
        lua_settop(L, 1);
    }
    job->took = clock_thread_cpu() - begun;
    return 0;
}

static double run(struct vm *vm, const struct contract_type *type)
{
    static struct job job;
    job.type = type;
    lua_pushcfunction(vm->main, work);
    lua_pushlightuserdata(vm->main, &job);
    if (lua_pcall(vm->main, 1, 0, 0) != LUA_OK)
        abort();
    return (double)job.took / BODIES;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *list)
{
    qsort(list, ROUNDS, sizeof *list, by_value);
    return list[ROUNDS / 2];
}

int main(void)
{
    struct vm_source source = {"bench", NULL, find};
    struct plugin_definition definition;
    struct pn_error err;
    struct vm *vm;
    double checked[ROUNDS], plain[ROUNDS], ratio[ROUNDS];
    if (vm_new(&vm, &source, 64 << 20, &err) != 0 || vm_load(vm, &definition, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2)
            plain[i] = run(vm, &codec_any);
        checked[i] = run(vm, definition.capabilities[0].input);
        if (i % 2 == 0)
            plain[i] = run(vm, &codec_any);
        ratio[i] = checked[i] / plain[i];
    }
    printf("decode and encode %s, ns of CPU time, medians of %d rounds\n", body, ROUNDS);
    double middle = median(ratio); /* sorts it */
    printf("along its contract %.0f, along \"any\" %.0f, ratio %.3f (%.3f to %.3f)\n",
           median(checked), median(plain), middle, ratio[0], ratio[ROUNDS - 1]);
    return 0;
}
