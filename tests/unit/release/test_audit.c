/* The audit log: a chain that goes on over restarts, and what its texts may be. */
#include "failing_malloc.h"

#include "base/file.h"
#include "release/audit.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64], path[96];
static struct audit *book;
static struct pn_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/pinion-audit-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/" AUDIT_FILE, directory);
    return audit_open(&book, path, &err);
}

static int tear_down(void **state)
{
    (void)state;
    audit_close(book);
    book = NULL;
    return file_remove_tree(directory, NULL);
}

static int append(const char *subject, const char *detail)
{
    const struct audit_entry e = {.actor = TEXT("host"),
                                  .action = TEXT("publish"),
                                  .subject = text_of(subject),
                                  .detail = text_of(detail)};
    return audit_append(book, &e, &err);
}

struct seen {
    int count;
    char subject[8][64], detail[8][64], hash[8][AUDIT_HASH_SIZE];
    int64_t at[8];
};

static void on_entry(void *user, const struct audit_entry *e)
{
    struct seen *s = user;
    int i = s->count++;
    assert_true(i < 8);
    assert_int_equal(e->number, i + 1);
    assert_true(text_equal(e->actor, TEXT("host")) && text_equal(e->action, TEXT("publish")));
    snprintf(s->subject[i], sizeof s->subject[i], "%.*s", TEXT_ARGS(e->subject));
    snprintf(s->detail[i], sizeof s->detail[i], "%.*s", TEXT_ARGS(e->detail));
    snprintf(s->hash[i], sizeof s->hash[i], "%.*s", TEXT_ARGS(e->hash));
    s->at[i] = e->at;
}

static struct seen read_all(void)
{
    struct seen s = {.count = 0};
    struct audit_result r;
    if (audit_read(path, on_entry, &s, &r, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(r.broken, 0);
    assert_int_equal(r.count, s.count);
    assert_int_equal(audit_count(book), s.count);
    assert_string_equal(r.head, audit_head(book));
    return s;
}

static void entries__are_read_as_they_were_written(void **state)
{
    (void)state;
    assert_int_equal(read_all().count, 0);
    assert_string_equal(audit_head(book), "");
    assert_int_equal(append("orders@1.0.0#1", "{}"), 0);
    assert_int_equal(append("orders@1.0.1#2", "{\"a\":\"\xc3\xa4\"}"), 0);
    struct seen s = read_all();
    assert_int_equal(s.count, 2);
    assert_string_equal(s.subject[1], "orders@1.0.1#2");
    assert_string_equal(s.detail[1], "{\"a\":\"\xc3\xa4\"}");
    assert_string_equal(s.hash[1], audit_head(book));
    assert_string_not_equal(s.hash[0], s.hash[1]);
    assert_true(s.at[0] > INT64_C(1500000000000) && s.at[1] >= s.at[0]);
}

static void chain__goes_on_when_it_is_opened_again(void **state)
{
    (void)state;
    assert_int_equal(append("a", "{}"), 0);
    audit_close(book);
    book = NULL;
    assert_int_equal(audit_open(&book, path, &err), 0);
    assert_int_equal(audit_count(book), 1);
    assert_int_equal(append("a", "{}"), 0);
    struct seen s = read_all();
    assert_int_equal(s.count, 2);
    assert_string_not_equal(s.hash[0], s.hash[1]); /* the same again is another entry */
}

static void texts__that_are_none_are_mended_and_long_ones_refused(void **state)
{
    (void)state;
    static char detail[AUDIT_DETAIL_MAX + 2];
    assert_int_equal(append("caf\xe9", "{}"), 0);
    assert_string_equal(read_all().subject[0], "caf?");
    memset(detail, 'x', AUDIT_DETAIL_MAX);
    assert_int_equal(append("a", detail), 0);
    detail[AUDIT_DETAIL_MAX] = 'x';
    assert_int_equal(append("a", detail), PN_ELIMIT);
    assert_int_equal(read_all().count, 2);
}

static void log__that_is_not_there_or_no_log_is_an_error(void **state)
{
    (void)state;
    struct audit_result r;
    char other[128];
    struct audit *second;
    snprintf(other, sizeof other, "%s/other.db", directory);
    assert_int_equal(audit_read(other, NULL, NULL, &r, &err), PN_ENOTFOUND);
    static char noise[8192];
    memset(noise, 'n', sizeof noise);
    struct text text = {noise, sizeof noise};
    assert_int_equal(file_write(other, text, false, &err), 0);
    assert_int_equal(audit_read(other, NULL, NULL, &r, &err), PN_ESTORE);
    assert_int_equal(audit_open(&second, other, &err), PN_ESTORE);
    assert_non_null(strstr(err.message, other));
}

static void log__whose_making_was_broken_off_is_empty(void **state)
{
    (void)state;
    struct audit_result r;
    struct store *store;
    char other[128];
    snprintf(other, sizeof other, "%s/other.db", directory);
    assert_int_equal(store_open(&store, other, STORE_HOME, NULL, &err), 0);
    store_close(store);
    assert_int_equal(audit_read(other, NULL, NULL, &r, &err), 0);
    assert_true(r.count == 0 && !r.broken && !r.head[0]);
}

/* Whatever fails: the entry is there whole and told, or is not there. */
static void append__whose_memory_fails_leaves_nothing(void **state)
{
    (void)state;
    size_t failed = 1;
    int kept = 0;
    for (size_t at = 0; failed; at++) {
        malloc_fail_from(at, 1);
        int rc = append("a", "{}");
        failed = malloc_fail_none();
        assert_true(rc == 0 || rc == PN_ENOMEM);
        kept += rc == 0;
        assert_int_equal(audit_count(book), kept);
        if (kept > 7)
            break; /* what is kept by those that do without what failed is enough */
    }
    struct audit_result r;
    assert_int_equal(audit_read(path, NULL, NULL, &r, &err), 0);
    assert_int_equal(r.count, kept);
}

static void open__whose_memory_fails_is_told(void **state)
{
    (void)state;
    struct audit_result r;
    size_t failed = 1;
    assert_int_equal(append("a", "{}"), 0);
    audit_close(book);
    book = NULL;
    for (size_t at = 0; failed; at++) {
        malloc_fail_from(at, 1);
        int rc = audit_open(&book, path, &err);
        failed = malloc_fail_none();
        assert_true(rc == 0 || rc == PN_ENOMEM);
        if (rc == 0) {
            audit_close(book);
            book = NULL;
        }
        malloc_fail_from(at, 1);
        rc = audit_read(path, NULL, NULL, &r, &err);
        failed += malloc_fail_none();
        assert_true((rc == 0 && r.count == 1 && !r.broken) || rc == PN_ENOMEM);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(entries__are_read_as_they_were_written),
        TEST(chain__goes_on_when_it_is_opened_again),
        TEST(texts__that_are_none_are_mended_and_long_ones_refused),
        TEST(log__that_is_not_there_or_no_log_is_an_error),
        TEST(log__whose_making_was_broken_off_is_empty),
        TEST(append__whose_memory_fails_leaves_nothing),
        TEST(open__whose_memory_fails_is_told),
    };
#undef TEST
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
