/*
 * Fuzzing what reads contracts: the bytes become a Lua table that describes types, well-formed or
 * not, and a plugin that declares it. Loading it ends with a contract or with a reason; what was
 * taken is asked about one value.
 */
#include "lua/call.h"
#include "lua/vm.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 8 };

struct input {
    const uint8_t *at, *end;
};

static uint8_t take(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static void write_type(struct input *in, struct buffer *out, int depth);

/* A string literal of some bytes of the input. */
static void write_string(struct input *in, struct buffer *out)
{
    buffer_append_char(out, '"');
    for (int n = take(in) % 12; n > 0; n--)
        buffer_printf(out, "\\%03d", take(in));
    buffer_append_char(out, '"');
}

static void write_scalar(struct input *in, struct buffer *out)
{
    static const char *const values[] = {
        "0",    "1",     "-1", "1.5",         "math.maxinteger", "1e308",    "0/0",      "1/0",
        "true", "false", "{}", "pinion.null", "print",           "{ 1, 2 }", "{ a = 1 }"};
    unsigned choice = take(in) % (sizeof values / sizeof *values + 1);
    if (choice == sizeof values / sizeof *values)
        write_string(in, out);
    else
        buffer_append_string(out, values[choice]);
}

static void write_constraints(struct input *in, struct buffer *out)
{
    static const char *const names[] = {
        "min",      "max",      "min_length", "max_length",  "min_items",   "max_items",
        "items",    "unique",   "pattern",    "format",      "default",     "example",
        "optional", "nullable", "deprecated", "multiple_of", "description", "kind",
        "of",       "members",  "tag",        "unknown"};
    int n = take(in) % 4;
    buffer_append_string(out, "{ ");
    for (; n > 0; n--) {
        buffer_printf(out, "%s = ", names[take(in) % (sizeof names / sizeof *names)]);
        write_scalar(in, out);
        buffer_append_string(out, ", ");
    }
    buffer_append_string(out, "}");
}

static void write_members(struct input *in, struct buffer *out, int depth)
{
    buffer_append_string(out, "{ ");
    for (int n = take(in) % 4; n > 0; n--) {
        buffer_append_string(out, "[");
        if (take(in) % 16 == 0)
            write_scalar(in, out);
        else
            buffer_printf(out, "\"%c\"", 'a' + take(in) % 6);
        buffer_append_string(out, "] = ");
        write_type(in, out, depth + 1);
        buffer_append_string(out, ", ");
    }
    buffer_append_string(out, "}");
}

static void write_described(struct input *in, struct buffer *out, int depth)
{
    static const char *const kinds[] = {"any",         "integer", "string", "array",
                                        "map",         "object",  "union",  "ref",
                                        "json_schema", "enum",    "bytes",  "none"};
    static const char *const fields[] = {"of",  "members", "variants", "choices",
                                         "tag", "name",    "file",     "schema"};
    buffer_printf(out, "{ kind = \"%s\", ", kinds[take(in) % 12]);
    for (int n = take(in) % 3; n > 0; n--) {
        buffer_printf(out, "%s = ", fields[take(in) % 8]);
        if (take(in) % 2)
            write_type(in, out, depth + 1);
        else
            write_scalar(in, out);
        buffer_append_string(out, ", ");
    }
    buffer_append_string(out, "}");
}

static void write_type(struct input *in, struct buffer *out, int depth)
{
    static const char *const plain[] = {
        "t.any",     "t.boolean", "t.integer",          "t.number", "t.string",
        "t.date",    "t.uuid",    "t.decimal",          "t.bytes",  "t.timestamp",
        "t.ref 'a'", "t.ref 'b'", "t.enum { 'x', 'y' }"};
    unsigned choice = depth >= DEPTH_MAX ? 0 : take(in) % 20;
    if (choice < 13) {
        buffer_append_string(out, plain[choice]);
        if (depth < DEPTH_MAX && take(in) % 2)
            write_constraints(in, out);
        return;
    }
    static const char *const calls[] = {"t.array(", "t.map(", "t.optional(", "t.nullable("};
    if (choice < 17) {
        buffer_append_string(out, calls[choice - 13]);
        write_type(in, out, depth + 1);
        buffer_append_string(out, ")");
    } else if (choice == 17) {
        buffer_append_string(out, "t.union('k', ");
        write_members(in, out, depth);
        buffer_append_string(out, ")");
    } else if (choice == 18) {
        write_members(in, out, depth);
    } else {
        write_described(in, out, depth);
    }
}

static struct buffer source;

static bool find(void *user, struct text path, struct text *content)
{
    (void)user;
    *content = buffer_text(&source);
    return text_equal(path, TEXT("init.lua"));
}

static void ask(struct vm *vm, const struct plugin_definition *d)
{
    struct buffer out = BUFFER_INIT, message = BUFFER_INIT;
    struct contract_offences offences;
    struct call_origin origin = {.trace_id = TEXT("0")};
    contract_offences_init(&offences);
    struct call call = {.capability = &d->capabilities[0],
                        .in = {.body = TEXT("{\"v\":{\"k\":\"a\",\"a\":[1,\"x\",null]}}")},
                        .origin = &origin,
                        .out = &out,
                        .offences = &offences,
                        .message = &message};
    call_run(vm, &call);
    buffer_release(&out);
    buffer_release(&message);
    contract_offences_release(&offences);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct pn_error err = {.code = 0};
    struct vm_source where = {.plugin = "fuzz", .find = find};
    struct plugin_definition definition;
    struct vm *vm;
    buffer_clear(&source);
    buffer_append_string(
        &source, "local pinion = require 'pinion'\nlocal t = pinion.types\n"
                 "local p = pinion.plugin { name = 'fuzz', version = '1.0.0', layer = 'record' }\n"
                 "p:type 'a' (");
    write_type(&in, &source, 1);
    buffer_append_string(&source, ")\np:type 'b' (");
    write_type(&in, &source, 1);
    buffer_append_string(&source, ")\np:query 'q' { input = { v = ");
    write_type(&in, &source, 0);
    buffer_append_string(&source,
                         " }, output = t.any, run = function(_, i) return i end }\nreturn p\n");
    if (vm_new(&vm, &where, 64 * 1024 * 1024, &err) != 0)
        abort();
    int rc = vm_load(vm, &definition, &err);
    if (rc == 0)
        ask(vm, &definition);
    else if (!*err.message || !text_is_utf8(text_of(err.message)))
        abort();
    arena_release(&definition.arena);
    vm_free(vm);
    return 0;
}
