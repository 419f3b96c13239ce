/*
 * Fuzzing the codec: whatever the contract below takes, it writes again, and that text gives the
 * same bytes a second time.
 * Whatever it refuses is refused with a reason. One VM serves all inputs, as in a worker.
 */
#include "lua/call.h"
#include "lua/vm.h"

#include <stdio.h>
#include <stdlib.h>

static const char plugin[] =
    "local pinion = require 'pinion'\n"
    "local t = pinion.types\n"
    "local p = pinion.plugin { name = 'fuzz', version = '1.0.0', layer = 'record' }\n"
    "local tree = p:type 'tree' { v = t.bytes { max_length = 6 }, below = t.optional(t.array(t.ref 'tree') { unique = true }) }\n"
    "local contract = {\n"
    "    t = t.optional(tree), g = t.optional(t.union('k', { a = { n = t.integer { multiple_of = 3 } }, b = { t = tree } })),\n"
    "    p = t.optional(t.string { pattern = '^(a|b)*c?$' }), f = t.optional(t.string { format = 'ipv4' }),\n"
    "    js = t.optional(t.json_schema { anyOf = { { type = 'object', required = { 'x' } }, { type = 'array', uniqueItems = true } } }),\n"
    "    mu = t.optional(t.number { multiple_of = 0.25 }),\n"
    "    a = t.optional(t.any), b = t.optional(t.boolean), i = t.optional(t.integer { min = -1000, max = 1 << 60 }),\n"
    "    n = t.optional(t.number), s = t.optional(t.string { min_length = 1, max_length = 20 }),\n"
    "    e = t.optional(t.enum { 'one', 'two', '' }), d = t.optional(t.date), ts = t.optional(t.timestamp),\n"
    "    u = t.optional(t.uuid), dec = t.optional(t.decimal), l = t.optional(t.array(t.nullable(t.integer))),\n"
    "    m = t.optional(t.map { x = t.nullable(t.string), y = t.integer { default = 7 } }),\n"
    "    z = t.nullable(t.string) { default = 'x' }, o = t.optional(t.nullable { q = t.array(t.any) { max_items = 3 } }),\n"
    "    r = t.nullable(t.integer) { default = pinion.null },\n"
    "}\n"
    "p:query 'echo' { input = contract, output = contract, run = function(_, input) return input end }\n"
    "return p\n";

static struct vm *vm;
static struct plugin_definition definition;
static struct buffer out, again, message;
static struct contract_offences offences;

static bool find(void *user, struct text path, struct text *content)
{
    (void)user;
    *content = text_of(plugin);
    return text_equal(path, TEXT("init.lua"));
}

static void start(void)
{
    struct pn_error err;
    struct vm_source source = {.plugin = "fuzz", .find = find};
    if (vm_new(&vm, &source, 64 * 1024 * 1024, &err) != 0 || vm_load(vm, &definition, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    contract_offences_init(&offences);
}

static enum call_outcome run(struct text body, struct buffer *answer)
{
    struct call_origin origin = {.trace_id = TEXT("0")};
    struct call call = {.capability = &definition.capabilities[0],
                        .in = {.body = body},
                        .origin = &origin,
                        .out = answer,
                        .offences = &offences,
                        .message = &message};
    call_run(vm, &call);
    return call.outcome;
}

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\nfirst:  %s\nsecond: %s\noffences: %s\nmessage: %s\n", what,
            buffer_text(&out).data, buffer_text(&again).data, buffer_text(&offences.list).data,
            buffer_text(&message).data);
    abort();
}

/*
 * Members of a map or of "any" come in no order: a second text may differ from the first in that
 * alone.
 */
static int by_byte(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

static bool same_bytes(struct buffer *a, struct buffer *b)
{
    if (text_equal(buffer_text(a), buffer_text(b)))
        return true;
    if (a->len != b->len)
        return false;
    qsort(a->data, a->len, 1, by_byte);
    qsort(b->data, b->len, 1, by_byte);
    return text_equal(buffer_text(a), buffer_text(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!vm)
        start();
    buffer_clear(&out);
    buffer_clear(&again);
    switch (run((struct text){(const char *)data, size}, &out)) {
    case CALL_OK:
        require(run(buffer_text(&out), &again) == CALL_OK, "what was written is not taken");
        require(same_bytes(&out, &again), "what was written is read as something else");
        break;
    case CALL_BAD_JSON:
        require(message.len > 0 && text_is_utf8(buffer_text(&message)), "refused without a reason");
        break;
    case CALL_BAD_INPUT:
        require(offences.count > 0 && text_is_utf8(buffer_text(&offences.list)),
                "no offence is told");
        break;
    default:
        require(false, "what was taken cannot be written");
    }
    return 0;
}
