#include "store/fixture.h"

#include "store/kv.h"

#include <sqlite3.h>

enum { NOW = 1000000 };

static struct buffer text;

static int tear_down_kv(void **state)
{
    buffer_release(&text);
    return tear_down(state);
}

static void begin(void)
{
    assert_int_equal(store_begin(fx.home, &fx.err), 0);
}

static void commit(void)
{
    assert_int_equal(store_commit(fx.home, &fx.err), 0);
    store_snapshot_end(fx.reader);
}

static void set(const char *key, const char *value, int64_t expires)
{
    if (kv_set(fx.home, text_of(key), text_of(value), expires, &fx.err) != 0)
        fail_msg("%s", fx.err.message);
}

static void expect_at(struct store *s, enum store_access access, const char *key, int64_t now,
                      const char *value)
{
    struct kv_pair pair;
    buffer_clear(&text);
    int rc = kv_get(s, access, text_of(key), now, &pair, &text, &fx.err);
    if (rc != (value ? 1 : 0))
        fail_msg("%s: %d: %s", key, rc, fx.err.message);
    if (value)
        assert_true(text_equal(pair.value, text_of(value)));
}

static void expect(const char *key, const char *value)
{
    expect_at(fx.reader, STORE_READ, key, NOW, value);
}

static void kv__is_part_of_the_transaction(void **state)
{
    (void)state;
    begin();
    set("a", "1", 0);
    expect_at(fx.home, STORE_WRITE, "a", NOW, "1");
    expect("a", NULL);
    store_rollback(fx.home);
    store_snapshot_end(fx.reader);
    expect("a", NULL);
    begin();
    set("a", "1", 0);
    set("a", "2", 0);
    commit();
    expect("a", "2");
    begin();
    assert_int_equal(kv_delete(fx.home, TEXT("a"), NOW, &fx.err), 1);
    assert_int_equal(kv_delete(fx.home, TEXT("a"), NOW, &fx.err), 0);
    expect("a", "2"); /* the reader's snapshot */
    commit();
    expect("a", NULL);
}

static void kv__writes_need_a_transaction(void **state)
{
    (void)state;
    assert_int_equal(kv_set(fx.home, TEXT("a"), TEXT("1"), 0, &fx.err), PN_EINVAL);
    assert_int_equal(kv_set(fx.reader, TEXT("a"), TEXT("1"), 0, &fx.err), PN_EDENIED);
}

static void kv__is_out_of_reach_of_a_plugins_sql(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "select * from pinion_kv",
        ("select key, value, expires_at from pinion_kv where key = $1"
         " and (expires_at is null or expires_at > $2)"),
        "insert into pinion_kv values ('a', '1', null)",
        "delete from pinion_kv",
        "drop table pinion_kv",
        "create trigger t after insert on pinion_kv begin select 1; end"};
    begin();
    set("a", "1", 0);
    expect_at(fx.home, STORE_WRITE, "a", NOW, "1"); /* the host's text is kept prepared now */
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        assert_int_equal(run(statements[i]), PN_EDENIED);
    expect_at(fx.home, STORE_WRITE, "a", NOW, "1");
    commit();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(run_as(fx.reader, STORE_READ, statements[i]), PN_EDENIED);
}

static void kv__survives_a_change_of_the_schema(void **state)
{
    (void)state;
    begin();
    set("a", "1", 0);
    commit();
    expect("a", "1");
    migrate("create table t(a); create index u on t(a);");
    store_snapshot_end(fx.reader);
    expect("a", "1"); /* compiled anew, on behalf of the host still */
    begin();
    set("a", "2", 0);
    commit();
    expect("a", "2");
}

static void ttl__is_compared_when_it_is_read(void **state)
{
    (void)state;
    struct kv_pair pair;
    begin();
    set("a", "1", NOW + 5);
    set("b", "2", NOW);
    expect_at(fx.home, STORE_WRITE, "a", NOW + 4, "1");
    expect_at(fx.home, STORE_WRITE, "a", NOW + 5, NULL);
    expect_at(fx.home, STORE_WRITE, "b", NOW, NULL);
    assert_int_equal(kv_delete(fx.home, TEXT("b"), NOW, &fx.err), 0);
    assert_int_equal(
        kv_next(fx.home, STORE_WRITE, TEXT(""), TEXT(""), true, NOW + 5, &pair, &text, &fx.err), 0);
    set("a", "3", 0); /* replaced, with its time */
    expect_at(fx.home, STORE_WRITE, "a", NOW + 5, "3");
    commit();
}

static int64_t rows(void)
{
    sqlite3 *db;
    sqlite3_stmt *count;
    assert_int_equal(sqlite3_open(fx.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "select count(*) from pinion_kv", -1, &count, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(count), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    sqlite3_close(db);
    return n;
}

static void sweep__removes_a_bounded_number(void **state)
{
    (void)state;
    char key[16];
    begin();
    for (int i = 0; i < KV_SWEEP + 10; i++) {
        snprintf(key, sizeof key, "k%d", i);
        set(key, "1", NOW);
    }
    set("kept", "1", NOW + 1);
    set("always", "1", 0);
    commit();
    assert_int_equal(rows(), KV_SWEEP + 12);
    begin();
    assert_int_equal(kv_sweep(fx.home, NOW, &fx.err), 0);
    commit();
    assert_int_equal(rows(), 12);
    begin();
    assert_int_equal(kv_sweep(fx.home, NOW, &fx.err), 0);
    commit();
    assert_int_equal(rows(), 2);
    expect("kept", "1");
}

static void next__goes_in_the_order_of_bytes(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "a", "a:", "a:1", "a:10", "a:2", "a:\xC3\xA9", "a:\xF4\x8F\xBF\xBF", "b"};
    struct kv_pair pair = {.key = TEXT("a:")};
    char last[16] = "a:";
    begin();
    for (size_t i = sizeof keys / sizeof *keys; i-- > 0;)
        set(keys[i], keys[i], 0);
    for (size_t i = 1; i < 7; i++) {
        buffer_clear(&text);
        assert_int_equal(kv_next(fx.home, STORE_WRITE, TEXT("a:"), text_of(last), i == 1, NOW,
                                 &pair, &text, &fx.err),
                         1);
        assert_true(text_equal(pair.key, text_of(keys[i])));
        assert_true(text_equal(pair.value, text_of(keys[i])));
        snprintf(last, sizeof last, "%.*s", TEXT_ARGS(pair.key));
    }
    assert_int_equal(
        kv_next(fx.home, STORE_WRITE, TEXT("a:"), text_of(last), false, NOW, &pair, &text, &fx.err),
        0);
    commit();
}

static void reader__says_that_the_table_is_not_made_yet(void **state)
{
    (void)state;
    struct kv_pair pair;
    sqlite3 *db;
    close_stores();
    assert_int_equal(sqlite3_open(fx.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "drop table pinion_kv", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(&fx.reader, fx.path, STORE_READER, NULL, &fx.err), 0);
    assert_int_equal(kv_get(fx.reader, STORE_READ, TEXT("a"), NOW, &pair, &text, &fx.err),
                     PN_ENOTFOUND);
    assert_non_null(strstr(fx.err.message, "was not made by its home yet"));
    assert_int_equal(store_open(&fx.home, fx.path, STORE_HOME, NULL, &fx.err), 0);
    store_snapshot_end(fx.reader);
    expect("a", NULL);
}

#define KV_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down_kv)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KV_TEST(kv__is_part_of_the_transaction),
        KV_TEST(kv__writes_need_a_transaction),
        KV_TEST(kv__is_out_of_reach_of_a_plugins_sql),
        KV_TEST(kv__survives_a_change_of_the_schema),
        KV_TEST(ttl__is_compared_when_it_is_read),
        KV_TEST(sweep__removes_a_bounded_number),
        KV_TEST(next__goes_in_the_order_of_bytes),
        KV_TEST(reader__says_that_the_table_is_not_made_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
