/*
 * Random contracts and random values: the fused decoder says what the plain validator says of the
 * contract's JSON Schema. The validator knows nothing of contracts, nor the decoder of schemas.
 *
 * PINION_PROPERTY_CASES: how many values (a million; with sanitizers 50,000); PINION_PROPERTY_SEED; PINION_PROPERTY_OUT:
 * a file that gets each schema, value and verdict as a line of JSON, for other validators.
 */
#include "random_contract.h"
#include "vm_fixture.h"

#include "contract/export_schema.h"
#include "contract/schema.h"
#include "json/writer.h"

#ifdef PINION_POISON
enum { VALUES_EACH = 50, CASES = 50 * 1000 };
#else
enum { VALUES_EACH = 50, CASES = 1000 * 1000 };
#endif

static struct random_source source;
static FILE *transcript;
static size_t right, wrong_ones;

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void tell(const char *name, struct text json, bool verdict)
{
    if (!transcript)
        return;
    fprintf(transcript, "{\"%s\":%.*s", name, TEXT_ARGS(json));
    if (strcmp(name, "value") == 0)
        fprintf(transcript, ",\"valid\":%s", verdict ? "true" : "false");
    fputs("}\n", transcript);
}

static void compare(const struct schema *schema, struct text body, const char *contract,
                    const char *document)
{
    struct contract_offences plain;
    contract_offences_init(&plain);
    enum call_outcome outcome = run_call("run", (struct call_input){.body = body});
    bool good = schema_check(schema, body, NULL, &plain, NULL);
    bool taken = outcome == CALL_OK;
    if (taken != good || (!taken && outcome != CALL_BAD_INPUT))
        fail_msg("%s\n%s\nvalue %.*s\ndecoder: %d %s %s\nvalidator: %d %s", contract, document,
                 TEXT_ARGS(body), (int)outcome, offences(), message(), good,
                 buffer_text(&plain.list).data);
    contract_offences_release(&plain);
    right += good;
    wrong_ones += !good;
    tell("value", body, good);
}

static void try_contract(void)
{
    struct buffer text = BUFFER_INIT, document = BUFFER_INIT, body = BUFFER_INIT;
    struct arena arena;
    const struct schema *schema;
    const struct schema_options asserting = {.assert_formats = true};
    random_contract(&source, &text);
    free_vm();
    new_vm();
    arena_init(&arena);
    if (try_load(buffer_text(&text).data) == 0) {
        const struct contract_type *input = capability("run")->input;
        contract_schema_document(&fx.definition, input, &document);
        if (schema_compile(&schema, &arena, buffer_text(&document), &asserting, &fx.err) != 0)
            fail_msg("%s\n%s\n%s", fx.err.message, buffer_text(&text).data,
                     buffer_text(&document).data);
        tell("schema", buffer_text(&document), true);
        for (int i = 0; i < VALUES_EACH; i++) {
            buffer_clear(&body);
            random_value(&source, input, i % 2 ? 40 : 0, &body);
            compare(schema, buffer_text(&body), buffer_text(&text).data,
                    buffer_text(&document).data);
        }
    } else if (!strstr(fx.err.message, "is defined twice") && !strstr(fx.err.message, "above")) {
        fail_msg("%s\n%s", fx.err.message, buffer_text(&text).data);
    }
    arena_release(&arena);
    buffer_release(&text);
    buffer_release(&document);
    buffer_release(&body);
}

static void decoder__agrees_with_the_plain_validator(void **state)
{
    (void)state;
    uint64_t cases = number_from("PINION_PROPERTY_CASES", CASES);
    const char *out = getenv("PINION_PROPERTY_OUT");
    source.state = number_from("PINION_PROPERTY_SEED", 1) * UINT64_C(0x9E3779B97F4A7C15);
    transcript = out ? fopen(out, "w") : NULL;
    while (right + wrong_ones < cases)
        try_contract();
    if (transcript)
        fclose(transcript);
    printf("%zu values fit, %zu did not, decoder and validator agreed on all\n", right, wrong_ones);
    assert_true(right > cases / 5 && wrong_ones > cases / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(decoder__agrees_with_the_plain_validator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
