#include "host/forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buffer payload;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&payload);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&payload);
    return 0;
}

static void write_call(void)
{
    static const struct call_parameter parameters[] = {{TEXT("id"), TEXT("7")},
                                                       {TEXT("tag"), TEXT("")}};
    static const struct call_header headers[] = {{TEXT("X-Brand"), TEXT("acme")}};
    static const struct capability capability = {.key = TEXT("alpha.add@1")};
    static const struct call_input in = {TEXT("{}"), parameters, 2};
    static const struct call_origin origin = {.method = TEXT("POST"),
                                              .path = TEXT("/a?b=1"),
                                              .headers = headers,
                                              .header_count = 1,
                                              .trace_id = TEXT("0123456789abcdef0123456789abcdef")};
    forward_write_call(&payload, &(struct dispatch_forward){
                                     .capability = &capability, .in = &in, .origin = &origin});
}

static void call__is_read_as_it_was_written(void **state)
{
    (void)state;
    struct forwarded_call call;
    write_call();
    assert_true(forward_read_call(buffer_text(&payload), &call));
    assert_true(text_equal(call.address, TEXT("alpha.add@1")) &&
                text_equal(call.in.body, TEXT("{}")));
    assert_true(text_equal(call.origin.path, TEXT("/a?b=1")) &&
                text_equal(call.origin.method, TEXT("POST")));
    assert_int_equal(call.in.parameter_count, 2);
    assert_true(text_equal(call.in.parameters[0].value, TEXT("7")) &&
                call.in.parameters[1].value.len == 0);
    assert_int_equal(call.origin.header_count, 1);
    assert_true(text_equal(call.origin.headers[0].name, TEXT("X-Brand")));
    assert_int_equal(call.origin.trace_id.len, 32);
}

static void call__cut_anywhere_or_too_long_is_refused(void **state)
{
    (void)state;
    struct forwarded_call call;
    write_call();
    for (size_t len = 0; len < payload.len; len++) {
        char *cut = malloc(len + 1);
        memcpy(cut, payload.data, len);
        assert_false(forward_read_call((struct text){cut, len}, &call));
        free(cut);
    }
    buffer_append_char(&payload, 'x');
    assert_false(forward_read_call(buffer_text(&payload), &call));
}

static void call__with_more_pairs_than_there_is_room_for_is_refused(void **state)
{
    (void)state;
    struct forwarded_call call;
    for (int i = 0; i < 5; i++)
        bus_put_text(&payload, TEXT(""));
    bus_put_number(&payload, FORWARD_PARAMETERS_MAX + 1);
    for (int i = 0; i < 2 * (FORWARD_PARAMETERS_MAX + 1); i++)
        bus_put_text(&payload, TEXT(""));
    bus_put_number(&payload, 0);
    assert_false(forward_read_call(buffer_text(&payload), &call));
}

static void answer__is_read_as_it_was_written(void **state)
{
    (void)state;
    struct answer in = {.status = 404,
                        .is_problem = true,
                        .replayed = true,
                        .body = TEXT("{\"code\":\"gone\"}")},
                  out;
    struct text generation;
    forward_write_answer(&payload, &in, TEXT("alpha@1.0.0#1"));
    assert_true(forward_read_answer(buffer_text(&payload), &out, &generation));
    assert_true(out.status == 404 && out.is_problem && out.replayed &&
                text_equal(out.body, in.body));
    assert_true(text_equal(generation, TEXT("alpha@1.0.0#1")));
    for (size_t len = 0; len < payload.len; len++)
        assert_false(forward_read_answer((struct text){payload.data, len}, &out, &generation));
}

#define FORWARD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FORWARD_TEST(call__is_read_as_it_was_written),
        FORWARD_TEST(call__cut_anywhere_or_too_long_is_refused),
        FORWARD_TEST(call__with_more_pairs_than_there_is_room_for_is_refused),
        FORWARD_TEST(answer__is_read_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
