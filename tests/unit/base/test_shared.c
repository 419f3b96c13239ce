#include "base/clock.h"
#include "base/random.h"
#include "base/shared.h"
#include "base/siphash.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOW = 1000, KEYS = 500, VALUE_ROOM = SHARED_VALUE_MAX + 16, WORKERS = 4, KILLS = 8000 };

static struct shared *shared;
static struct shared_space space;
static struct buffer text;
static char bytes[VALUE_ROOM];

static int set_up(void **state)
{
    (void)state;
    struct pn_error err;
    shared = shared_new(SHARED_SPACE_KB_MIN, &err);
    if (!shared)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + i % 23);
    return shared_attach(shared, "shop", &space, &err);
}

static int tear_down(void **state)
{
    (void)state;
    shared_free(shared);
    buffer_release(&text);
    return 0;
}

static struct shared_value text_value(const char *t)
{
    return (struct shared_value){.text = text_of(t)};
}

static struct shared_value integer_value(int64_t i)
{
    return (struct shared_value){.is_integer = true, .integer = i};
}

static void set(const char *key, const char *value)
{
    struct shared_value v = text_value(value);
    assert_int_equal(shared_set(&space, text_of(key), &v, 0, NULL), 0);
}

static int get(const char *key, struct shared_value *out)
{
    buffer_clear(&text);
    return shared_get(&space, text_of(key), NOW, out, &text, NULL);
}

static void expect(const char *key, const char *value)
{
    struct shared_value v;
    assert_int_equal(get(key, &v), value ? 1 : 0);
    if (value && !text_equal(v.text, text_of(value)))
        fail_msg("%s is not %s", buffer_text(&text).data, value);
}

static void expect_sound(void)
{
    struct shared_figures f;
    assert_true(shared_inspect(&space, &f));
}

static void siphash__is_the_published_one(void **state)
{
    (void)state;
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    assert_true(siphash(key, TEXT("")) == UINT64_C(0xabac0158050fc4dc));
    assert_true(siphash(key, TEXT("a")) != siphash(key, TEXT("b")));
    assert_true(siphash(key, TEXT("12345678")) != siphash(key, TEXT("12345678\0")));
}

static void pairs__come_change_and_go(void **state)
{
    (void)state;
    expect("a", NULL);
    set("a", "\"one\"");
    set("b", "[]");
    expect("a", "\"one\"");
    set("a", "\"two\"");
    expect("a", "\"two\"");
    assert_int_equal(shared_delete(&space, TEXT("a"), NOW, NULL), 1);
    assert_int_equal(shared_delete(&space, TEXT("a"), NOW, NULL), 0);
    expect("a", NULL);
    expect("b", "[]");
    expect_sound();
}

static void sizes__are_kept_to_the_byte(void **state)
{
    (void)state;
    struct shared_value v, out;
    struct pn_error err;
    const size_t lengths[] = {
        0, 1, 60, 75, 76, 77, 78, 79, 80, 200, 203, 204, 205, 5000, SHARED_VALUE_MAX};
    for (size_t key = 1; key <= SHARED_KEY_MAX; key = key < 90 ? key + 1 : key + 61) {
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            struct text k = {bytes + 7, key};
            v = (struct shared_value){.text = {bytes + 3, lengths[i]}};
            assert_int_equal(shared_set(&space, k, &v, 0, NULL), 0);
            buffer_clear(&text);
            assert_int_equal(shared_get(&space, k, NOW, &out, &text, NULL), 1);
            assert_true(text_equal(out.text, v.text));
        }
    }
    v = (struct shared_value){.text = {bytes, SHARED_VALUE_MAX + 1}};
    assert_int_equal(shared_set(&space, TEXT("k"), &v, 0, &err), PN_ELIMIT);
    assert_string_equal(err.message, "a value of 65537 bytes is longer than 65536");
    assert_int_equal(shared_delete(&space, TEXT(""), NOW, &err), PN_ELIMIT);
    assert_int_equal(shared_delete(&space, (struct text){bytes, SHARED_KEY_MAX + 1}, NOW, &err),
                     PN_ELIMIT);
    assert_string_equal(err.message, "a key has 1 to 512 bytes");
    expect_sound();
}

static void pairs__end_when_their_time_has_come(void **state)
{
    (void)state;
    struct shared_value v = text_value("1"), out;
    int64_t sum;
    assert_int_equal(shared_set(&space, TEXT("a"), &v, NOW + 5, NULL), 0);
    assert_int_equal(shared_get(&space, TEXT("a"), NOW + 4, &out, &text, NULL), 1);
    assert_int_equal(shared_get(&space, TEXT("a"), NOW + 5, &out, &text, NULL), 0);
    assert_int_equal(shared_get(&space, TEXT("a"), NOW + 4, &out, &text, NULL), 0);
    assert_int_equal(shared_add(&space, TEXT("n"), 2, NOW, NOW + 5, &sum, NULL), 0);
    assert_int_equal(shared_add(&space, TEXT("n"), 3, NOW + 4, NOW + 100, &sum, NULL), 0);
    assert_int_equal(sum, 5);
    assert_int_equal(shared_add(&space, TEXT("n"), 7, NOW + 5, 0, &sum, NULL), 0);
    assert_int_equal(sum, 7);
    assert_int_equal(shared_set(&space, TEXT("d"), &v, NOW, NULL), 0);
    assert_int_equal(shared_delete(&space, TEXT("d"), NOW, NULL), 0);
    expect_sound();
}

static void swap__needs_what_is_expected(void **state)
{
    (void)state;
    struct shared_value one = text_value("[1]"), two = text_value("[2]"), three = integer_value(3);
    struct text key = TEXT("k");
    assert_int_equal(shared_swap(&space, key, &one, &two, NOW, 0, NULL), 0);
    assert_int_equal(shared_swap(&space, key, NULL, &one, NOW, 0, NULL), 1);
    assert_int_equal(shared_swap(&space, key, NULL, &one, NOW, 0, NULL), 0);
    assert_int_equal(shared_swap(&space, key, &two, &three, NOW, 0, NULL), 0);
    assert_int_equal(shared_swap(&space, key, &one, &three, NOW, 0, NULL), 1);
    assert_int_equal(shared_swap(&space, key, &one, &two, NOW, 0, NULL), 0);
    assert_int_equal(shared_swap(&space, key, &three, &two, NOW, NOW + 1, NULL), 1);
    assert_int_equal(shared_swap(&space, key, NULL, &one, NOW + 1, 0, NULL), 1);
    expect("k", "[1]");
}

static void add__is_checked(void **state)
{
    (void)state;
    struct pn_error err;
    struct shared_value out;
    int64_t sum;
    assert_int_equal(shared_add(&space, TEXT("n"), INT64_MAX, NOW, 0, &sum, &err), 0);
    assert_int_equal(shared_add(&space, TEXT("n"), 1, NOW, 0, &sum, &err), PN_ELIMIT);
    assert_string_equal(err.message, "the sum does not fit 64 bits");
    assert_int_equal(get("n", &out), 1);
    assert_true(out.is_integer && out.integer == INT64_MAX);
    assert_int_equal(shared_add(&space, TEXT("n"), INT64_MIN, NOW, 0, &sum, &err), 0);
    assert_int_equal(sum, -1);
    set("t", "\"1\"");
    assert_int_equal(shared_add(&space, TEXT("t"), 1, NOW, 0, &sum, &err), PN_EINVAL);
}

static void space__is_bounded_and_forgets_what_was_not_used_for_longest(void **state)
{
    (void)state;
    struct shared_figures f;
    struct shared_value v = {.text = {bytes, 1000}}, out;
    char key[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(shared_set(&space, text_of(key), &v, 0, NULL), 0);
        assert_int_equal(get("k0", &out), 1); /* in use all the time */
    }
    assert_true(shared_inspect(&space, &f));
    assert_true(f.bytes <= SHARED_SPACE_KB_MIN * 1024);
    assert_true(f.entries > 700 && f.entries < 1024);
    assert_int_equal(f.evictions, 20000 - f.entries);
    expect("k1", NULL);
    expect("k10000", NULL);
    assert_int_equal(get("k19999", &out), 1);
}

/* The same as an array does, whatever comes. */
static void model__agrees_over_a_hundred_thousand_steps(void **state)
{
    (void)state;
    static int32_t model[KEYS]; /* length of the value; -1: not there */
    struct random_state r;
    struct shared_value out;
    random_state_seed(&r, 7);
    for (int i = 0; i < KEYS; i++)
        model[i] = -1;
    for (int step = 0; step < 100000; step++) {
        uint64_t draw = random_state_next(&r);
        int k = (int)(draw % KEYS), n = snprintf((char[16]){0}, 16, "%d", k);
        char key[16];
        snprintf(key, sizeof key, "%d", k);
        assert_true(n > 0);
        size_t len = draw >> 20 & 511;
        struct shared_value v = {.text = {bytes, len}};
        struct shared_value old = {.text = {bytes, model[k] < 0 ? 0 : (size_t)model[k]}};
        switch (draw >> 40 & 3) {
        case 0:
            assert_int_equal(shared_set(&space, text_of(key), &v, 0, NULL), 0);
            model[k] = (int32_t)len;
            break;
        case 1:
            assert_int_equal(shared_delete(&space, text_of(key), NOW, NULL), model[k] >= 0);
            model[k] = -1;
            break;
        case 2:
            assert_int_equal(
                shared_swap(&space, text_of(key), model[k] < 0 ? NULL : &old, &v, NOW, 0, NULL), 1);
            model[k] = (int32_t)len;
            break;
        default:
            assert_int_equal(get(key, &out), model[k] >= 0);
            if (model[k] >= 0)
                assert_int_equal(out.text.len, model[k]);
        }
    }
    expect_sound();
}

static void spaces__know_nothing_of_each_other(void **state)
{
    (void)state;
    struct shared_space other, again;
    struct shared_value out, v = text_value("2");
    assert_int_equal(shared_attach(shared, "other", &other, NULL), 0);
    set("a", "1");
    assert_int_equal(shared_get(&other, TEXT("a"), NOW, &out, &text, NULL), 0);
    assert_int_equal(shared_set(&other, TEXT("a"), &v, 0, NULL), 0);
    expect("a", "1");
    assert_int_equal(shared_attach(shared, "shop", &again, NULL), 0);
    assert_int_equal(again.index, space.index);
    shared_retire(shared, "shop");
    shared_retire(shared, "unknown");
    expect("a", NULL);
    assert_int_equal(shared_get(&other, TEXT("a"), NOW, &out, &text, NULL), 1);
}

static void spaces__of_retired_names_are_given_to_others(void **state)
{
    (void)state;
    struct shared_space list[SHARED_SPACES], more;
    struct pn_error err;
    char name[32];
    for (int i = 1; i < SHARED_SPACES; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(shared_attach(shared, name, &list[i], NULL), 0);
    }
    assert_int_equal(shared_attach(shared, "more", &more, &err), PN_ELIMIT);
    assert_string_equal(err.message,
                        "64 plugins use shared state already, there is no room for 'more'");
    shared_retire(shared, "p7");
    struct shared_value v = text_value("late"), out;
    assert_int_equal(shared_set(&list[7], TEXT("a"), &v, 0, NULL),
                     0); /* by a call that still ran */
    assert_int_equal(shared_attach(shared, "more", &more, NULL), 0);
    assert_int_equal(more.index, list[7].index);
    assert_int_equal(shared_get(&more, TEXT("a"), NOW, &out, &text, NULL), 0);
    /* Who still has it under its old name never reaches the new one's. */
    assert_int_equal(shared_set(&list[7], TEXT("a"), &v, 0, &err), PN_ECLOSED);
    assert_string_equal(err.message, "the plugin was taken out of service");
    assert_int_equal(shared_get(&list[7], TEXT("a"), NOW, &out, &text, NULL), PN_ECLOSED);
    assert_int_equal(shared_get(&more, TEXT("a"), NOW, &out, &text, NULL), 0);
    assert_int_equal(shared_attach(shared, "p9", &list[0], NULL), 0);
    shared_retire(shared, "p9");
    assert_int_equal(shared_set(&list[9], TEXT("a"), &v, 0, NULL), 0);
    assert_int_equal(shared_attach(shared, "p9", &list[0], NULL), 0); /* what was late is gone */
    assert_int_equal(shared_get(&list[0], TEXT("a"), NOW, &out, &text, NULL), 0);
}

static void add__of_several_processes_loses_nothing(void **state)
{
    (void)state;
    enum { ROUNDS = 50000 };
    int64_t sum;
    for (int w = 0; w < WORKERS; w++) {
        if (fork() != 0)
            continue;
        for (int i = 0; i < ROUNDS; i++)
            if (shared_add(&space, TEXT("n"), 1, NOW, 0, &sum, NULL) != 0)
                _exit(1);
        _exit(0);
    }
    for (int w = 0, status; w < WORKERS; w++) {
        wait(&status);
        assert_int_equal(status, 0);
    }
    assert_int_equal(shared_add(&space, TEXT("n"), 0, NOW, 0, &sum, NULL), 0);
    assert_int_equal(sum, WORKERS * ROUNDS);
}

/* What a victim tells before and after each step, in memory of its own. */
struct log {
    _Atomic int64_t begun, done;
};

/* Adds, swaps and writes large values over others, until it is killed. */
static void be_a_victim(struct log *log, uint64_t seed)
{
    struct random_state r;
    char key[16];
    int64_t sum;
    random_state_seed(&r, seed);
    for (;;) {
        uint64_t draw = random_state_next(&r);
        struct shared_value v = {.text = {bytes, draw >> 16 & 8191}};
        log->begun++;
        if (shared_add(&space, TEXT("n"), 1, NOW, 0, &sum, NULL) != 0)
            _exit(1);
        log->done++;
        snprintf(key, sizeof key, "%d", (int)(draw % 40));
        if (draw >> 60 == 0)
            shared_delete(&space, text_of(key), NOW, NULL);
        else
            shared_set(&space, text_of(key), &v, 0, NULL);
    }
}

static bool is_whole(struct text t)
{
    return t.len == 0 || memcmp(t.data, bytes, t.len) == 0;
}

static void check_values(void)
{
    struct shared_value out;
    char key[16];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "%d", i);
        if (get(key, &out) == 1)
            assert_true(is_whole(out.text));
    }
}

static void killed__processes_leave_every_pair_whole_and_no_lock_behind(void **state)
{
    (void)state;
    struct shared_figures f;
    struct random_state r;
    struct log *log =
        mmap(NULL, sizeof *log, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t least = 0, most = 0, sum = 0, now;
    random_state_seed(&r, 1);
    assert_int_equal(shared_add(&space, TEXT("n"), 0, NOW, 0, &now, NULL), 0);
    for (int i = 0; i < KILLS; i++) {
        *log = (struct log){0};
        pid_t pid = fork();
        if (pid == 0)
            be_a_victim(log, (uint64_t)i);
        while (log->begun == 0)
            usleep(1);
        int64_t until = clock_monotonic() + (int64_t)(random_state_next(&r) % 300000);
        while (clock_monotonic() < until)
            continue;
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        least += log->done;
        most += log->begun;
        assert_int_equal(shared_add(&space, TEXT("n"), 0, NOW, 0, &sum, NULL), 0);
        assert_true(sum >= least && sum <= most);
        least = most = sum; /* now it is known which */
        if (i % 10 == 0) {
            assert_true(shared_inspect(&space, &f));
            check_values();
        }
    }
    assert_true(shared_inspect(&space, &f));
    check_values();
    printf("%d killed, %llu of them held a lock\n", KILLS, (unsigned long long)f.repairs);
    assert_true(f.repairs > KILLS / 20);
    munmap(log, sizeof *log);
}

static void stopped__a_holder_costs_others_a_bounded_wait(void **state)
{
    (void)state;
    struct pn_error err = {.code = 0};
    struct shared_value v = {.text = {bytes, SHARED_VALUE_MAX}};
    bool met = false;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            shared_set(&space, TEXT("k"), &v, 0, NULL);
    for (int i = 0; i < 200 && !met; i++) {
        usleep(500);
        kill(pid, SIGSTOP);
        waitpid(pid, NULL, WUNTRACED);
        int64_t begun = clock_monotonic();
        met = shared_delete(&space, TEXT("k"), NOW, &err) == PN_EBUSY;
        assert_true(clock_monotonic() - begun < 5 * NS_PER_SECOND);
        kill(pid, SIGCONT);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(met);
    assert_string_equal(err.message, "shared memory is locked by a process that stands still");
    assert_true(shared_delete(&space, TEXT("k"), NOW, &err) >= 0);
}

static void speed__is_printed(void **state)
{
    (void)state;
    enum { ROUNDS = 1000000 };
    struct shared_value out;
    int64_t sum = 0;
    set("session:0123456789abcdef", "{\"user\":7,\"roles\":[\"buyer\"],\"at\":1700000000}");
    int64_t begun = clock_thread_cpu();
    for (int i = 0; i < ROUNDS; i++)
        get("session:0123456789abcdef", &out);
    int64_t got = clock_thread_cpu();
    for (int i = 0; i < ROUNDS; i++)
        shared_add(&space, TEXT("rate:0123456789abcdef"), 1, NOW, 0, &sum, NULL);
    int64_t added = clock_thread_cpu();
    for (int i = 0; i < ROUNDS; i++)
        set("session:0123456789abcdef", "{\"user\":7,\"roles\":[\"buyer\"],\"at\":1700000000}");
    int64_t end = clock_thread_cpu();
    printf("get %.0f ns, add %.0f ns, set %.0f ns\n", (double)(got - begun) / ROUNDS,
           (double)(added - got) / ROUNDS, (double)(end - added) / ROUNDS);
    assert_int_equal(sum, ROUNDS);
}

#define SHARED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash__is_the_published_one),
        SHARED_TEST(pairs__come_change_and_go),
        SHARED_TEST(sizes__are_kept_to_the_byte),
        SHARED_TEST(pairs__end_when_their_time_has_come),
        SHARED_TEST(swap__needs_what_is_expected),
        SHARED_TEST(add__is_checked),
        SHARED_TEST(space__is_bounded_and_forgets_what_was_not_used_for_longest),
        SHARED_TEST(model__agrees_over_a_hundred_thousand_steps),
        SHARED_TEST(spaces__know_nothing_of_each_other),
        SHARED_TEST(spaces__of_retired_names_are_given_to_others),
        SHARED_TEST(add__of_several_processes_loses_nothing),
        SHARED_TEST(killed__processes_leave_every_pair_whole_and_no_lock_behind),
        SHARED_TEST(stopped__a_holder_costs_others_a_bounded_wait),
        SHARED_TEST(speed__is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
