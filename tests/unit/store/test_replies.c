#include "store/fixture.h"

#include "failing_malloc.h"
#include "store/faulty_vfs.h"
#include "store/group.h"
#include "store/replies.h"

enum { NOW = 1000000 };

static unsigned char digest[REPLIES_DIGEST_SIZE] = "the digest of a request";
static struct buffer body = BUFFER_INIT;
static int status;

static int open_replies(void **state)
{
    struct pn_error err;
    disk.fail_sync = disk.fail_write = disk.count = disk.failed = 0;
    if (set_up_directory(state) != 0 || store_open(&fx.home, fx.path, STORE_HOME, NULL, &err) != 0)
        return -1;
    store_close(fx.home);
    faulty_vfs_install();
    open_stores(NULL);
    return 0;
}

static int release(void **state)
{
    buffer_release(&body);
    return tear_down(state);
}

static struct reply_key key_at(const char *key, int64_t now)
{
    return (struct reply_key){
        .capability = TEXT("p.c@1"), .key = text_of(key), .digest = digest, .now = now};
}

static int keep(const char *key, int64_t now, const char *text)
{
    struct reply_key k = key_at(key, now);
    int rc = group_begin(fx.home, &fx.err);
    if (rc == 0)
        rc = replies_keep(fx.home, &k, 200, text_of(text), &fx.err);
    if (rc == 0)
        return group_keep(fx.home, &fx.err);
    group_undo(fx.home);
    return rc;
}

static enum replies_found find(const struct reply_key *k)
{
    enum replies_found found;
    buffer_clear(&body);
    status = 0;
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    assert_int_equal(replies_find(fx.home, k, &found, &status, &body, &fx.err), 0);
    assert_int_equal(group_keep(fx.home, &fx.err), 0);
    return found;
}

static enum replies_found find_at(const char *key, int64_t now)
{
    struct reply_key k = key_at(key, now);
    return find(&k);
}

static void flush(void)
{
    assert_int_equal(group_flush(fx.home, &fx.err), 0);
}

static void reply__is_found_by_its_key_alone(void **state)
{
    (void)state;
    static const unsigned char other[REPLIES_DIGEST_SIZE] = "another";
    assert_int_equal(keep("a", NOW, "{\"id\":1}"), 0);
    assert_int_equal(find_at("a", NOW), REPLIES_SAME); /* in its own group */
    flush();
    assert_int_equal(find_at("a", NOW), REPLIES_SAME);
    assert_int_equal(status, 200);
    assert_true(text_equal(buffer_text(&body), TEXT("{\"id\":1}")));
    assert_int_equal(find_at("b", NOW), REPLIES_NONE);
    struct reply_key k = key_at("a", NOW);
    k.digest = other;
    assert_int_equal(find(&k), REPLIES_OTHER);
    assert_int_equal(body.len, 0);
    k = key_at("a", NOW);
    k.capability = TEXT("p.c@2");
    assert_int_equal(find(&k), REPLIES_NONE);
    assert_int_equal(keep("empty", NOW, ""), 0);
    assert_int_equal(find_at("empty", NOW), REPLIES_SAME);
    assert_int_equal(body.len, 0);
    flush();
}

static void reply__goes_with_the_command_that_is_undone(void **state)
{
    (void)state;
    struct reply_key k = key_at("a", NOW);
    for (int i = 0; i < 2; i++) { /* with the table itself */
        assert_int_equal(group_begin(fx.home, &fx.err), 0);
        assert_int_equal(replies_keep(fx.home, &k, 200, TEXT("1"), &fx.err), 0);
        group_undo(fx.home);
    }
    assert_int_equal(find_at("a", NOW), REPLIES_NONE);
    flush();
    assert_int_equal(keep("first", NOW, "1"), 0);
    assert_int_equal(group_begin(fx.home, &fx.err), 0);
    assert_int_equal(replies_keep(fx.home, &k, 200, TEXT("1"), &fx.err), 0);
    group_undo(fx.home);
    assert_int_equal(find_at("a", NOW), REPLIES_NONE);
    assert_int_equal(find_at("first", NOW), REPLIES_SAME);
    flush();
}

static void reply__ends_after_a_day_and_is_removed(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "old%d", i);
        assert_int_equal(keep(name, NOW, "1"), 0);
    }
    flush();
    assert_int_equal(find_at("old0", NOW + REPLIES_SECONDS - 1), REPLIES_SAME);
    assert_int_equal(find_at("old0", NOW + REPLIES_SECONDS), REPLIES_NONE);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "new%d", i);
        assert_int_equal(keep(name, NOW + REPLIES_SECONDS, "1"), 0);
    }
    assert_int_equal(keep("new0", NOW + REPLIES_SECONDS + 5, "2"), 0); /* takes its place */
    flush();
    struct pn_error err;
    assert_int_equal(group_begin(fx.home, &err), 0);
    group_undo(fx.home);
    assert_int_equal(find_at("new0", NOW + REPLIES_SECONDS + 5), REPLIES_SAME);
    assert_true(text_equal(buffer_text(&body), TEXT("2")));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "old%d", i);
        assert_int_equal(find_at(name, NOW), REPLIES_NONE); /* whatever the time: it is gone */
    }
    flush();
}

static void reply__is_not_kept_by_a_disk_that_is_full(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    store_close(fx.home);
    assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME,
                                &(struct store_limits){.size_bytes = 64 * 1024}, &fx.err),
                     0);
    int rc = 0;
    char name[16];
    for (int i = 0; i < 100 && rc == 0; i++) {
        snprintf(name, sizeof name, "k%d", i);
        rc = keep(name, NOW, text);
        if (rc == 0)
            rc = group_flush(fx.home, &fx.err);
    }
    assert_int_equal(rc, PN_EFULL);
    assert_int_equal(find_at(name, NOW), REPLIES_NONE);
    assert_int_equal(find_at("k0", NOW), REPLIES_SAME);
    flush();
}

static void reply__outside_of_a_command_is_refused(void **state)
{
    (void)state;
    struct reply_key k = key_at("a", NOW);
    enum replies_found found;
    assert_int_equal(replies_find(fx.home, &k, &found, &status, &body, &fx.err), PN_EINVAL);
    assert_int_equal(replies_keep(fx.home, &k, 200, TEXT(""), &fx.err), PN_EINVAL);
}

static void reply__without_memory_is_not_half_kept(void **state)
{
    (void)state;
    size_t injected = 1;
    for (size_t n = 0; injected; n++) {
        store_close(fx.home);
        assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME, NULL, &fx.err), 0);
        char name[16];
        snprintf(name, sizeof name, "k%zu", n);
        malloc_fail_from(n, 1);
        int rc = keep(name, NOW, "{\"id\":1}");
        injected = malloc_fail_none();
        assert_true(rc == PN_ENOMEM || (rc == 0 && n > 0));
        if (group_is_open(fx.home))
            group_flush(fx.home, NULL);
        assert_int_equal(find_at(name, NOW), rc == 0 ? REPLIES_SAME : REPLIES_NONE);
        flush();
    }
}

#define REPLIES_TEST(name) cmocka_unit_test_setup_teardown(name, open_replies, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLIES_TEST(reply__is_found_by_its_key_alone),
        REPLIES_TEST(reply__goes_with_the_command_that_is_undone),
        REPLIES_TEST(reply__ends_after_a_day_and_is_removed),
        REPLIES_TEST(reply__is_not_kept_by_a_disk_that_is_full),
        REPLIES_TEST(reply__outside_of_a_command_is_refused),
        REPLIES_TEST(reply__without_memory_is_not_half_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
