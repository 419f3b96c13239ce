/*
 * The deployer against a fleet of two that this test plays: it notes what is asked and answers by
 * hand.
 */
#include "../plugin/plugin_fixture.h"

#include "base/log.h"
#include "release/deploy.h"

#include <dirent.h>

enum { ASKED_MAX = 64 };

static struct loop *loop;
static struct deployer *deployer;
static char active_path[128];
static struct {
    int worker;
    enum fleet_verb verb;
    struct generation_spec spec;
    uint32_t ticket;
} asked[ASKED_MAX];
static int asked_count, done_count, idle_count, wanted;
static struct {
    int code;
    enum deploy_step step;
    char label[GENERATION_LABEL_SIZE], message[PN_ERROR_MESSAGE_MAX], plugin[PLUGIN_NAME_SIZE];
    struct difference difference;
} report;
static const char *owner;
static bool production;

static void on_ask(void *user, int worker, enum fleet_verb verb, const struct generation_spec *spec,
                   uint32_t ticket)
{
    (void)user;
    assert_true(asked_count < ASKED_MAX);
    asked[asked_count].worker = worker;
    asked[asked_count].verb = verb;
    asked[asked_count].spec = *spec;
    asked[asked_count++].ticket = ticket;
    if (wanted && asked_count >= wanted)
        loop_stop(loop);
}

static void on_done(void *user, const struct deploy_report *r)
{
    (void)user;
    done_count++;
    report.code = r->code;
    report.step = r->step;
    snprintf(report.label, sizeof report.label, "%s", r->label);
    snprintf(report.message, sizeof report.message, "%s", r->message);
    snprintf(report.plugin, sizeof report.plugin, "%s", r->plugin);
    report.difference = r->difference ? *r->difference : (struct difference){.unknown = false};
    loop_stop(loop);
}

static void on_idle(void *user)
{
    (void)user;
    idle_count++;
}

static const char *owner_of(void *user, const char *plugin, const char *directory)
{
    (void)user;
    (void)plugin;
    (void)directory;
    return owner;
}

static void new_deployer(void)
{
    struct deployer_options options = {.active_path = active_path,
                                       .bundles_directory = home.bundles,
                                       .databases_directory = home.databases,
                                       .temporary_directory = home.directory,
                                       .durable = production,
                                       .refuses_breaking = production,
                                       .fleet = {NULL, 2, on_ask},
                                       .done = on_done,
                                       .idle = on_idle,
                                       .owner = owner_of};
    if (deployer_new(&deployer, loop, &options, &home.err) != 0)
        fail_msg("%s", home.err.message);
}

static int set_up(void **state)
{
    if (set_up_home(state) != 0)
        return -1;
    snprintf(active_path, sizeof active_path, "%s/run/active.json", home.directory);
    char run[128];
    snprintf(run, sizeof run, "%s/run", home.directory);
    file_make_directory(run, NULL);
    asked_count = done_count = idle_count = wanted = 0;
    owner = NULL;
    production = false;
    loop = loop_new(NULL);
    new_deployer();
    return 0;
}

static int tear_down(void **state)
{
    deployer_free(deployer);
    loop_free(loop);
    return tear_down_home(state);
}

/* Runs the loop until so many more asks came, or a deployment ended. */
static void until_asked(int more)
{
    int done = done_count;
    wanted = asked_count + more;
    /* A deployment that ended outside of the loop has stopped it before it ran. */
    while (asked_count < wanted && done_count == done)
        assert_int_equal(loop_run(loop, &home.err), 0);
    wanted = 0;
}

static void submit(void)
{
    assert_int_equal(deployer_submit(deployer, home.source, &home.err), 0);
}

/* Answers the last `count` asks. */
static void reply_last(int count, int code, const char *message)
{
    for (int i = asked_count - count, end = asked_count; i < end; i++)
        deployer_reply(deployer, asked[i].worker, asked[i].ticket, code, text_of(message));
}

static void expect_last(enum fleet_verb verb, int count)
{
    assert_true(asked_count >= count);
    for (int i = asked_count - count; i < asked_count; i++)
        assert_int_equal(asked[i].verb, verb);
}

static void deploy_all(void)
{
    submit();
    until_asked(2);
    expect_last(FLEET_PREPARE, 2);
    reply_last(2, 0, "");
    expect_last(FLEET_PUBLISH, 2);
    reply_last(2, 0, "");
}

#define PING "p:query 'ping' { run = function() end }"

static void deploy__prepares_and_publishes_in_every_worker(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    assert_int_equal(done_count, 1);
    assert_int_equal(report.code, 0);
    assert_string_equal(report.label, "alpha@1.0.0#1");
    assert_int_equal(idle_count, 1);
    assert_false(deployer_busy(deployer));
    put_plugin("alpha", "1.0.1", "", PING);
    deploy_all();
    assert_string_equal(report.label, "alpha@1.0.1#2");
    assert_int_equal(deployer_active(deployer)->count, 1);
}

static void deploy__of_what_is_live_does_nothing(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    int before = asked_count;
    submit();
    until_asked(1);
    assert_int_equal(report.code, PN_EEXIST);
    assert_int_equal(asked_count, before);
}

static void deploy__that_one_worker_refuses_is_discarded_in_all(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    until_asked(2);
    deployer_reply(deployer, 0, asked[0].ticket, 0, TEXT(""));
    deployer_reply(deployer, 1, asked[1].ticket, PN_EINVAL, TEXT("route is claimed"));
    expect_last(FLEET_DISCARD, 2);
    assert_int_equal(report.code, PN_EINVAL);
    assert_int_equal(report.step, DEPLOY_PREPARE);
    assert_string_equal(report.message, "route is claimed");
    assert_int_equal(deployer_active(deployer)->count, 0);
    assert_false(file_exists(active_path));
}

static void deploy__ignores_answers_that_are_late_or_double(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    until_asked(2);
    uint32_t ticket = asked[0].ticket;
    deployer_reply(deployer, 0, ticket - 1, PN_EINVAL, TEXT("old"));
    deployer_reply(deployer, 0, ticket, 0, TEXT(""));
    deployer_reply(deployer, 0, ticket, 0, TEXT(""));
    expect_last(FLEET_PREPARE, 2);
    deployer_reply(deployer, 1, ticket, 0, TEXT(""));
    expect_last(FLEET_PUBLISH, 2);
    deployer_reply(deployer, 1, ticket, PN_EINVAL, TEXT("late"));
    assert_int_equal(done_count, 0);
    reply_last(2, 0, "");
    assert_int_equal(report.code, 0);
    deployer_reply(deployer, 1, ticket, PN_EINVAL, TEXT("very late"));
    assert_int_equal(done_count, 1);
}

static void deploy__that_does_not_verify_asks_nobody(void **state)
{
    (void)state;
    put_file("init.lua", "error('broken')");
    submit();
    until_asked(1);
    assert_int_equal(report.code, PN_ESCRIPT);
    assert_int_equal(report.step, DEPLOY_VERIFY);
    expect_in(report.message, "source/init.lua:1: broken");
    assert_int_equal(asked_count, 0);
    file_remove_tree(home.source, NULL);
    submit();
    until_asked(1);
    assert_int_equal(report.code, PN_ENOTFOUND);
    assert_int_equal(report.step, DEPLOY_STAGE);
}

static void deploy__of_another_directorys_plugin_is_refused(void **state)
{
    (void)state;
    owner = "/elsewhere";
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    until_asked(1);
    assert_int_equal(report.code, PN_EDENIED);
    assert_string_equal(report.message, "plugin 'alpha' is already served from '/elsewhere'");
    assert_int_equal(asked_count, 0);
}

static void deploy__migrates_in_the_home_before_it_publishes(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "'db'", PING);
    put_file("migrations/0001_a.sql", "create table a(x integer) strict;");
    submit();
    until_asked(2);
    reply_last(2, 0, "");
    expect_last(FLEET_MIGRATE, 1);
    assert_int_equal(asked[asked_count - 1].worker, catalogue_home(TEXT("alpha"), 2));
    reply_last(1, 0, "");
    expect_last(FLEET_PUBLISH, 2);
    reply_last(2, 0, "");
    put_plugin("alpha", "1.0.1", "'db'", PING);
    deploy_all(); /* nothing is pending now */
    assert_string_equal(report.label, "alpha@1.0.1#2");
}

static void deploy__fails_when_the_home_is_lost_while_it_migrates(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "'db'", PING);
    put_file("migrations/0001_a.sql", "create table a(x integer) strict;");
    submit();
    until_asked(2);
    reply_last(2, 0, "");
    deployer_lost(deployer, 1 - asked[asked_count - 1].worker);
    assert_int_equal(done_count, 0);
    deployer_lost(deployer, catalogue_home(TEXT("alpha"), 2));
    assert_int_equal(report.code, PN_ECLOSED);
    expect_last(FLEET_DISCARD, 2);
}

static void deploy__waits_for_a_worker_that_was_lost(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    until_asked(2);
    deployer_reply(deployer, 0, asked[0].ticket, 0, TEXT(""));
    deployer_lost(deployer, 0); /* what it had prepared is gone */
    deployer_reply(deployer, 1, asked[1].ticket, 0, TEXT(""));
    expect_last(FLEET_PREPARE, 2);
    deployer_joined(deployer, 0);
    expect_last(FLEET_PREPARE, 1);
    reply_last(1, 0, "");
    expect_last(FLEET_PUBLISH, 2);
    deployer_reply(deployer, 0, asked[asked_count - 1].ticket, 0, TEXT(""));
    deployer_lost(deployer, 1);
    assert_int_equal(done_count, 0);
    deployer_joined(deployer, 1);
    expect_last(FLEET_PUBLISH, 1);
    reply_last(1, 0, "");
    assert_int_equal(report.code, 0);
}

static void deploy__published_is_published_even_if_a_worker_cannot(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    until_asked(2);
    reply_last(2, 0, "");
    log_set_level((enum log_level)(LOG_ERROR + 1));
    reply_last(2, PN_ENOMEM, "out of memory");
    assert_int_equal(report.code, 0);
}

static void deploy__that_cannot_write_active_leaves_no_entry(void **state)
{
    (void)state;
    char run[128];
    deployer_free(deployer);
    production = true;
    new_deployer();
    snprintf(run, sizeof run, "%s/run", home.directory);
    file_remove_tree(run, NULL);
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    until_asked(2);
    reply_last(2, 0, "");
    assert_int_not_equal(report.code, 0);
    expect_last(FLEET_DISCARD, 2);
    assert_int_equal(deployer_active(deployer)->count, 0);
    file_make_directory(run, NULL);
    put_plugin("beta", "1.0.0", "", PING);
    deploy_all();
    deployer_free(deployer);
    new_deployer(); /* reads active.json again */
    assert_int_equal(deployer_active(deployer)->count, 1);
}

/* What comes after a crash is what the directories hold. */
static void deploy__in_dev_is_live_before_it_is_written(void **state)
{
    (void)state;
    char run[128];
    snprintf(run, sizeof run, "%s/run", home.directory);
    file_remove_tree(run, NULL);
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    assert_int_equal(report.code, 0);
    assert_int_equal(deployer_active(deployer)->count, 1);
    file_make_directory(run, NULL);
    put_plugin("alpha", "1.0.1", "", PING);
    deploy_all();
    deployer_free(deployer);
    new_deployer();
    assert_string_equal(deployer_active(deployer)->entries[0].version, "1.0.1");
}

static void deploy__of_a_break_is_told(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    assert_string_equal(report.difference.since, "");
    put_plugin("alpha", "1.0.1", "", "p:query 'pong' { run = function() end }");
    deploy_all();
    assert_int_equal(report.code, 0);
    assert_string_equal(report.difference.since, "alpha@1.0.0#1");
    assert_true(report.difference.breaking == 1 && report.difference.compatible == 1);
}

static void deploy__of_a_break_is_refused_in_production(void **state)
{
    (void)state;
    deployer_free(deployer);
    production = true;
    new_deployer();
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    put_plugin("alpha", "1.0.1", "", "p:query 'pong' { run = function() end }");
    int before = asked_count;
    submit();
    until_asked(1);
    assert_int_equal(report.code, PN_ECONTRACT);
    assert_int_equal(report.step, DEPLOY_VERIFY);
    expect_in(report.message, "it breaks callers of alpha@1.0.0#1: "
                              "alpha.ping@1: the query is gone (capability-removed)");
    assert_int_equal(asked_count, before);
    assert_string_equal(deployer_active(deployer)->entries[0].version, "1.0.0");
    put_plugin("alpha", "2.0.0", "", "p:query 'pong' { run = function() end }");
    deploy_all();
    assert_string_equal(report.label, "alpha@2.0.0#2");
}

static void retire__takes_a_plugin_out_and_keeps_its_numbers(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    assert_int_equal(deployer_retire(deployer, "alpha", &home.err), 0);
    until_asked(2);
    expect_last(FLEET_RETIRE, 2);
    reply_last(2, 0, "");
    assert_true(report.code == 0 && report.label[0] == 0);
    assert_true(active_find(deployer_active(deployer), TEXT("alpha"))->retired);
    assert_int_equal(deployer_retire(deployer, "alpha", &home.err), 0);
    until_asked(1);
    assert_int_equal(report.code, PN_EEXIST);
    deploy_all();
    assert_string_equal(report.label, "alpha@1.0.0#2");
}

static void queue__takes_one_at_a_time_and_each_once(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    submit();
    until_asked(2);
    submit();
    submit();
    deployer_retire(deployer, "nobody", &home.err);
    assert_int_equal(asked_count, 2);
    reply_last(2, 0, "");
    reply_last(2, 0, "");
    assert_int_equal(done_count, 1);
    assert_int_equal(idle_count, 0);
    for (int i = 0; i < 10 && deployer_busy(deployer); i++)
        until_asked(100);
    assert_int_equal(done_count, 3);
    assert_int_equal(idle_count, 1);
}

/* Who stands by to verify was made before the retirement. */
static void queue__compares_with_what_serves_by_then(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    assert_int_equal(deployer_retire(deployer, "alpha", &home.err), 0);
    until_asked(2);
    put_plugin("alpha", "1.0.1", "", "p:query 'pong' { run = function() end }");
    submit();
    reply_last(2, 0, "");
    until_asked(2);
    expect_last(FLEET_PREPARE, 2);
    reply_last(2, 0, "");
    reply_last(2, 0, "");
    assert_string_equal(report.label, "alpha@1.0.1#2");
    assert_string_equal(report.difference.since, "");
}

/* The process that was forked last and lives; 0: none. */
static pid_t child(void)
{
    int pid, parent;
    char path[64], state;
    pid_t last = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(dir));) {
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        FILE *f = fopen(path, "re");
        if (f && fscanf(f, "%d (%*[^)]) %c %d", &pid, &state, &parent) == 3 && parent == getpid() &&
            state != 'Z')
            last = pid > last ? pid : last;
        if (f)
            fclose(f);
    }
    closedir(dir);
    return last;
}

static void stop(void *user)
{
    (void)user;
    loop_stop(loop);
}

static void run_for(int64_t ms)
{
    struct loop_timer timer = {.loop = NULL};
    assert_int_equal(loop_timer_start(&timer, loop, ms, false, stop, NULL), 0);
    assert_int_equal(loop_run(loop, &home.err), 0);
}

/* In dev under load figures come all the time. */
static void stand_by__is_renewed_for_news_and_not_for_each_figure(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    run_for(100); /* the one that verified is gone by then */
    pid_t first = child();
    assert_int_not_equal(first, 0);
    for (int i = 0; i < 4; i++) {
        deployer_usage_changed(deployer, false);
        run_for(100);
    }
    assert_int_equal(child(), first);
    deployer_usage_changed(deployer, true);
    for (int i = 0; child() == first; i++) {
        assert_true(i < 100);
        run_for(100);
    }
}

static void free__in_the_middle_of_anything_leaves_nothing(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    submit();
    deployer_free(deployer);
    new_deployer();
    submit();
    until_asked(2);
    submit();
    deployer_free(deployer);
    new_deployer();
    assert_int_equal(done_count, 0);
    deployer_free(NULL);
}

static void joined__is_told_everything_that_is_active(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "", PING);
    deploy_all();
    put_plugin("beta", "1.0.0", "", PING);
    deploy_all();
    int before = asked_count;
    deployer_joined(deployer, 1);
    assert_int_equal(asked_count, before + 2);
    expect_last(FLEET_PUBLISH, 2);
    reply_last(2, PN_ENOMEM, "x");
    assert_int_equal(done_count, 2);
}

#define DEPLOY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEPLOY_TEST(deploy__prepares_and_publishes_in_every_worker),
        DEPLOY_TEST(deploy__of_what_is_live_does_nothing),
        DEPLOY_TEST(deploy__that_one_worker_refuses_is_discarded_in_all),
        DEPLOY_TEST(deploy__ignores_answers_that_are_late_or_double),
        DEPLOY_TEST(deploy__that_does_not_verify_asks_nobody),
        DEPLOY_TEST(deploy__of_another_directorys_plugin_is_refused),
        DEPLOY_TEST(deploy__migrates_in_the_home_before_it_publishes),
        DEPLOY_TEST(deploy__fails_when_the_home_is_lost_while_it_migrates),
        DEPLOY_TEST(deploy__waits_for_a_worker_that_was_lost),
        DEPLOY_TEST(deploy__published_is_published_even_if_a_worker_cannot),
        DEPLOY_TEST(deploy__that_cannot_write_active_leaves_no_entry),
        DEPLOY_TEST(deploy__in_dev_is_live_before_it_is_written),
        DEPLOY_TEST(deploy__of_a_break_is_told),
        DEPLOY_TEST(deploy__of_a_break_is_refused_in_production),
        DEPLOY_TEST(retire__takes_a_plugin_out_and_keeps_its_numbers),
        DEPLOY_TEST(queue__takes_one_at_a_time_and_each_once),
        DEPLOY_TEST(queue__compares_with_what_serves_by_then),
        DEPLOY_TEST(stand_by__is_renewed_for_news_and_not_for_each_figure),
        DEPLOY_TEST(free__in_the_middle_of_anything_leaves_nothing),
        DEPLOY_TEST(joined__is_told_everything_that_is_active),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
