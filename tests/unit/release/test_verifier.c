#include "../plugin/plugin_fixture.h"

#include "release/verifier.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static struct loop *loop;
static struct verifier verifier;
static struct verify_result result;
static struct buffer archive;
static int calls;
static bool stands_by; /* a child does, before each start */
static const char *applied;
static struct generation_spec serving_spec; /* hash "": nothing serves */

static int set_up(void **state)
{
    loop = loop_new(NULL);
    buffer_init(&archive);
    verifier = (struct verifier){.child = 0};
    calls = 0;
    stands_by = false;
    applied = NULL;
    serving_spec.hash[0] = 0;
    return set_up_home(state);
}

static int set_up_standing_by(void **state)
{
    int rc = set_up(state);
    stands_by = true;
    return rc;
}

static int tear_down(void **state)
{
    verifier_stop(&verifier);
    loop_free(loop);
    buffer_release(&archive);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    return tear_down_home(state);
}

static const char *applied_migrations(void *user, struct text plugin)
{
    (void)user;
    (void)plugin;
    return applied;
}

static const struct generation_spec *serving(void *user, struct text plugin)
{
    (void)user;
    return serving_spec.hash[0] && text_equal(plugin, text_of(serving_spec.plugin)) ? &serving_spec
                                                                                    : NULL;
}

static struct verify_job job(void)
{
    buffer_clear(&archive);
    assert_int_equal(bundle_pack(home.source, &archive, &home.err), 0);
    return (struct verify_job){.archive = buffer_text(&archive),
                               .directory_name = "source",
                               .databases_directory = home.databases,
                               .temporary_directory = home.directory,
                               .bundles_directory = home.bundles,
                               .serving = serving,
                               .applied_migrations = applied_migrations};
}

static void on_done(void *user, const struct verify_result *r)
{
    (void)user;
    calls++;
    result = *r;
    loop_stop(loop);
}

static void start(void)
{
    struct verify_job one = job();
    if (stands_by) {
        verifier_stand_by(&verifier, &one);
        assert_true(verifier.spare.child > 0);
    }
    assert_int_equal(verifier_start(&verifier, loop, &one, on_done, NULL, &home.err), 0);
    assert_int_equal(verifier.spare.child, 0);
}

/* In a child; the temporary directory must be as it was. */
static int verify(void)
{
    start();
    struct verify_job one = job();
    assert_int_equal(verifier_start(&verifier, loop, &one, on_done, NULL, &home.err), PN_EBUSY);
    assert_int_equal(loop_run(loop, &home.err), 0);
    assert_int_equal(verifier.child, 0);
    return result.code;
}

static void expect_nothing_left(void)
{
    DIR *dir = opendir(home.directory);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, "verify", 6) == 0)
            fail_msg("'%s' is left", entry->d_name);
    closedir(dir);
}

#define PING "p:query 'ping' { run = function() end }"

static void verify__tells_name_and_version(void **state)
{
    (void)state;
    put_plugin("alpha", "1.2.3", "", PING);
    assert_int_equal(verify(), 0);
    assert_string_equal(result.plugin, "alpha");
    assert_string_equal(result.version, "1.2.3");
    assert_string_equal(result.migrations, "");
    assert_int_equal(calls, 1);
}

static void verify__tells_what_is_wrong_with_file_and_line(void **state)
{
    (void)state;
    put_file("init.lua", "\nerror('broken')");
    assert_int_equal(verify(), PN_ESCRIPT);
    assert_string_equal(result.message, "source/init.lua:2: broken");
}

static void verify__tries_migrations_on_a_copy(void **state)
{
    (void)state;
    char path[200];
    put_plugin("alpha", "1.0.0", "'db'", PING);
    put_file("migrations/0001_a.sql", "create table a(x integer) strict;");
    assert_int_equal(verify(), 0);
    assert_int_equal(strlen(result.migrations), 64);
    snprintf(path, sizeof path, "%s/alpha.db", home.databases);
    assert_false(file_exists(path));
    expect_nothing_left();
    put_file("migrations/0002_b.sql", "create table a(x integer) strict;");
    assert_int_equal(verify(), PN_ESTORE);
    expect_in(result.message, "alpha/migrations");
    expect_nothing_left();
}

static void verify__compares_with_what_serves(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", "p:query 'q' { input = { n = t.integer }, run = print }");
    serving_spec = store_source("alpha", 7);
    put_plugin("alpha", "1.0.1", "",
               "p:query 'q' { input = { n = t.integer { max = 9 } }, run = print }\n"
               "p:query 'r' { run = print }");
    assert_int_equal(verify(), 0);
    const struct difference *d = &result.difference;
    assert_string_equal(d->since, "alpha@1.0.0#7");
    assert_true(d->breaking == 1 && d->compatible == 1 && d->refused == 1 && !d->unknown);
    assert_string_equal(d->text, "alpha.q@1 input/n: max was none, is 9 (input-narrowed)\n"
                                 "alpha.r@1: the query is new (capability-added)");
    char message[PN_ERROR_MESSAGE_MAX];
    difference_refuse(d, message);
    expect_in(message, "it breaks callers of alpha@1.0.0#7: alpha.q@1 input/n: max was none, is 9 "
                       "(input-narrowed). Keep");
}

static void verify__compares_with_nothing_where_nothing_serves(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    assert_int_equal(verify(), 0);
    assert_string_equal(result.difference.since, "");
    serving_spec = (struct generation_spec){.plugin = "alpha", .number = 3};
    memset(serving_spec.hash, 'a', BUNDLE_HASH_SIZE - 1);
    assert_int_equal(verify(), 0);
    assert_true(result.difference.unknown);
    assert_string_equal(result.difference.since, "alpha#3");
}

/* A message has a bounded size whatever was changed. */
static void verify__many_changes_are_counted(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "",
               "for i = 1, 100 do p:query('some_long_name_' .. i) { run = print } end");
    serving_spec = store_source("alpha", 1);
    put_plugin("alpha", "1.0.1", "", PING);
    assert_int_equal(verify(), 0);
    char message[PN_ERROR_MESSAGE_MAX];
    difference_refuse(&result.difference, message);
    assert_int_equal(result.difference.refused, 100);
    expect_in(message, "alpha.some_long_name_1@1: the query is gone (capability-removed); ");
    expect_in(message, " more. Keep");
    expect_in(message, "new MAJOR version of the plugin");
}

static void verify__does_not_try_what_is_applied(void **state)
{
    (void)state;
    static char hash[BUNDLE_HASH_SIZE];
    put_plugin("alpha", "1.0.0", "'db'", PING);
    put_file("migrations/0001_a.sql", "this is no SQL, but it was applied;");
    assert_int_not_equal(verify(), 0);
    memcpy(hash, result.migrations, sizeof hash);
    applied = hash;
    assert_int_equal(verify(), 0);
}

static void verify__migrations_need_a_database(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    put_file("migrations/0001_a.sql", "create table a(x integer) strict;");
    assert_int_equal(verify(), PN_EINVAL);
    expect_in(result.message, "does not name \"db\" in its needs");
}

static void verify__stops_what_is_too_hungry(void **state)
{
    (void)state;
    put_file("init.lua", "local s = {} for i = 1, 1e9 do s[i] = i end");
    assert_int_equal(verify(), PN_ENOMEM);
}

static void verify__that_is_stopped_calls_nobody_and_leaves_nothing(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "'db'", PING);
    put_file(
        "migrations/0001_a.sql",
        "create table a(x integer) strict;\n"
        "insert into a with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000000) select i from n;");
    start();
    usleep(100 * 1000);
    verifier_stop(&verifier);
    verifier_stop(&verifier);
    assert_int_equal(calls, 0);
    expect_nothing_left();
}

static void verify__a_child_that_dies_is_told(void **state)
{
    (void)state;
    put_file("init.lua", "while true do end");
    start();
    kill(verifier.child, SIGKILL);
    assert_int_equal(loop_run(loop, &home.err), 0);
    assert_int_equal(result.code, PN_ELIMIT);
    expect_in(result.message, "or crashed, and was stopped");
}

static void stand_by__is_renewed_and_ends_with_the_verifier(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    struct verify_job one = job();
    verifier_stand_by(&verifier, &one);
    pid_t first = verifier.spare.child;
    verifier_stand_by(&verifier, &one);
    assert_int_not_equal(verifier.spare.child, first);
    assert_true(kill(first, 0) != 0 && errno == ESRCH);
    verifier_stop(&verifier);
    assert_int_equal(verifier.spare.child, 0);
}

static void stand_by__that_is_dead_is_done_without(void **state)
{
    (void)state;
    siginfo_t info;
    put_plugin("alpha", "1.0.0", "", PING);
    struct verify_job one = job();
    verifier_stand_by(&verifier, &one);
    kill(verifier.spare.child, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)verifier.spare.child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(verify(), 0);
    assert_string_equal(result.plugin, "alpha");
}

static int count_descriptors(pid_t pid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

/* What told it to begin is closed before the plugin's code runs. */
static void stand_by__that_works_has_its_result_to_give_and_no_more(void **state)
{
    (void)state;
    put_file("init.lua", "while true do end");
    start();
    int count = count_descriptors(verifier.child);
    if (geteuid() != 0)
        skip(); /* nobody else may look */
    for (; count != STDERR_FILENO + 2; count = count_descriptors(verifier.child)) {
        assert_int_not_equal(count, 0); /* it has ended */
        usleep(1000);
    }
    verifier_stop(&verifier);
}

static void stand_by__knows_what_served_when_it_began(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    serving_spec = store_source("alpha", 1);
    struct verify_job one = job();
    one.likely = &serving_spec;
    verifier_stand_by(&verifier, &one);
    put_plugin("alpha", "1.0.1", "", "p:query 'pong' { run = function() end }");
    assert_int_equal(verify(), 0);
    assert_string_equal(result.difference.since, "alpha@1.0.0#1");
    assert_int_equal(result.difference.breaking, 1);
}

#define STANDING_BY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_standing_by, tear_down)
#define VERIFY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VERIFY_TEST(verify__tells_name_and_version),
        VERIFY_TEST(verify__tells_what_is_wrong_with_file_and_line),
        VERIFY_TEST(verify__tries_migrations_on_a_copy),
        VERIFY_TEST(verify__compares_with_what_serves),
        VERIFY_TEST(verify__compares_with_nothing_where_nothing_serves),
        VERIFY_TEST(verify__many_changes_are_counted),
        VERIFY_TEST(verify__does_not_try_what_is_applied),
        VERIFY_TEST(verify__migrations_need_a_database),
        VERIFY_TEST(verify__stops_what_is_too_hungry),
        VERIFY_TEST(verify__that_is_stopped_calls_nobody_and_leaves_nothing),
        VERIFY_TEST(verify__a_child_that_dies_is_told),
        STANDING_BY_TEST(verify__tells_name_and_version),
        STANDING_BY_TEST(verify__tells_what_is_wrong_with_file_and_line),
        STANDING_BY_TEST(verify__tries_migrations_on_a_copy),
        STANDING_BY_TEST(verify__compares_with_what_serves),
        STANDING_BY_TEST(verify__compares_with_nothing_where_nothing_serves),
        STANDING_BY_TEST(verify__many_changes_are_counted),
        STANDING_BY_TEST(verify__does_not_try_what_is_applied),
        STANDING_BY_TEST(verify__migrations_need_a_database),
        STANDING_BY_TEST(verify__stops_what_is_too_hungry),
        STANDING_BY_TEST(verify__that_is_stopped_calls_nobody_and_leaves_nothing),
        STANDING_BY_TEST(verify__a_child_that_dies_is_told),
        VERIFY_TEST(stand_by__is_renewed_and_ends_with_the_verifier),
        VERIFY_TEST(stand_by__that_is_dead_is_done_without),
        STANDING_BY_TEST(stand_by__that_works_has_its_result_to_give_and_no_more),
        VERIFY_TEST(stand_by__knows_what_served_when_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
