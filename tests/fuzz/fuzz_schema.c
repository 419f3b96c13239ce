/*
 * Fuzzing the JSON Schema validator: a schema, a zero byte, a value. Whatever the schema, a refusal
 * has a reason; whatever the value, an answer is the same twice, a no has an offence, and a schema
 * without references says the same inside two "not", where nothing is collected.
 */
#include "contract/schema.h"

#include <stdio.h>
#include <stdlib.h>

enum { ASKS_MAX = 2000 };

static size_t asked;

static bool goes_on(void)
{
    return ++asked < ASKS_MAX;
}

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* 1: valid, 0: not, -1: it was ended or is too deep, so no other schema need agree. */
static int answer(const struct schema *schema, struct text json)
{
    struct contract_offences o;
    contract_offences_init(&o);
    asked = 0;
    bool valid = schema_check(schema, json, NULL, &o, goes_on);
    struct text list = buffer_text(&o.list);
    require(!o.list.failed, "memory ran out");
    require(!valid || o.count == 0, "valid, with an offence");
    require(valid || o.count > 0 || asked >= ASKS_MAX, "not valid, without an offence");
    require(text_is_utf8(list), "an offence is not UTF-8");
    bool ended =
        asked >= ASKS_MAX ||
        (list.len && (strstr(list.data, "too many steps") || strstr(list.data, "too deeply")));
    contract_offences_release(&o);
    return ended ? -1 : valid;
}

static bool compile(const struct schema **out, struct arena *arena, struct text document)
{
    struct schema_options options = {.assert_formats = true};
    struct pn_error err = {0};
    int code = schema_compile(out, arena, document, &options, &err);
    require(code == 0 || (err.code == code && err.message[0]), "refused without a reason");
    require(text_is_utf8(text_of(err.message)), "a refusal is not UTF-8");
    return code == 0;
}

static void compare_inside_not(struct text document, struct text json, int wanted)
{
    struct buffer inside = BUFFER_INIT;
    struct arena arena;
    const struct schema *schema;
    arena_init(&arena);
    buffer_append_string(&inside, "{\"not\":{\"not\":");
    buffer_append_text(&inside, document);
    buffer_append_string(&inside, "}}");
    if (compile(&schema, &arena, buffer_text(&inside))) {
        int got = answer(schema, json);
        require(got < 0 || got == wanted, "another answer inside \"not\"");
    }
    arena_release(&arena);
    buffer_release(&inside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t len = zero ? (size_t)(zero - data) : size;
    struct text document = {(const char *)data, len};
    struct text json = zero ? (struct text){(const char *)zero + 1, size - len - 1} : TEXT("null");
    struct arena arena;
    const struct schema *schema;
    arena_init(&arena);
    if (compile(&schema, &arena, document)) {
        int first = answer(schema, json);
        require(first == answer(schema, json), "another answer the second time");
        if (first >= 0 && !memchr(document.data, '$', document.len))
            compare_inside_not(document, json, first);
    }
    arena_release(&arena);
    return 0;
}
