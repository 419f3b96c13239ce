#include "host/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void settings__are_read_whole_while_they_are_written(void **state)
{
    (void)state;
    struct pn_error err;
    struct slab *slab = slab_new(&err);
    assert_non_null(slab);
    pid_t writer = fork();
    if (writer == 0) {
        alarm(20);
        for (int64_t i = 0; !atomic_load(&slab->ready); i++) {
            struct host_settings s = {.drain_ms = i, .stuck_ms = i, .log_level = i};
            slab_publish_settings(slab, &s);
        }
        _exit(0);
    }
    int64_t last = 0;
    for (int i = 0; i < 20000; i++) {
        struct host_settings s;
        slab_read_settings(slab, &s);
        assert_true(s.drain_ms == s.stuck_ms && s.stuck_ms == s.log_level && s.drain_ms >= last);
        last = s.drain_ms;
    }
    atomic_store(&slab->ready, true);
    int status;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    munmap(slab, sizeof *slab);
}

static void state__has_a_name(void **state)
{
    (void)state;
    assert_string_equal(slot_state_name(SLOT_DOWN), "down");
    assert_string_equal(slot_state_name(SLOT_DRAINED), "drained");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings__are_read_whole_while_they_are_written),
        cmocka_unit_test(state__has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
