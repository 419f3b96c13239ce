#include "host/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];
static struct sources sources;
static struct pn_error err;
static size_t found;

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/pinion-sources-XXXXXX");
    sources = (struct sources){.count = 0};
    return !mkdtemp(directory);
}

static int tear_down(void **state)
{
    (void)state;
    sources_release(&sources);
    return file_remove_tree(directory, NULL);
}

static const char *in_directory(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void put_plugin(const char *name)
{
    char file[160];
    assert_int_equal(file_make_directory(in_directory(name), &err), 0);
    snprintf(file, sizeof file, "%s/init.lua", in_directory(name));
    assert_int_equal(file_write(file, TEXT("return 1"), false, &err), 0);
}

static void scan__finds_the_plugins_of_a_folder_in_order(void **state)
{
    (void)state;
    put_plugin("beta");
    put_plugin("alpha");
    put_plugin(".hidden");
    file_make_directory(in_directory("empty"), &err);
    assert_int_equal(sources_scan(&sources, directory, &found, &err), 0);
    assert_true(found == 2 && sources.count == 2);
    assert_string_equal(sources.list[0]->directory, in_directory("alpha"));
    put_plugin("gamma");
    assert_int_equal(sources_scan(&sources, directory, &found, &err), 0);
    assert_true(found == 3 && sources.count == 3);
}

static void scan__takes_a_plugin_itself(void **state)
{
    (void)state;
    put_plugin("alpha");
    assert_int_equal(sources_scan(&sources, in_directory("alpha"), &found, &err), 0);
    assert_int_equal(found, 1);
    assert_non_null(sources_by_directory(&sources, in_directory("alpha")));
    assert_int_equal(sources_scan(&sources, in_directory("absent"), &found, &err), PN_ENOTFOUND);
}

static void scan__says_what_arrived_for_the_first_time_or_again(void **state)
{
    (void)state;
    put_plugin("alpha");
    sources_scan(&sources, directory, &found, &err);
    struct source *alpha = sources.list[0];
    assert_true(alpha->arrived);
    alpha->arrived = false;
    sources_scan(&sources, directory, &found, &err);
    assert_false(alpha->arrived);
    alpha->gone = true;
    sources_scan(&sources, directory, &found, &err);
    assert_true(alpha->arrived && !alpha->gone);
}

static void report__keeps_the_last_label_and_the_last_message(void **state)
{
    (void)state;
    put_plugin("alpha");
    sources_scan(&sources, directory, &found, &err);
    struct source *s = sources.list[0];
    source_report(
        s, &(struct deploy_report){.plugin = "alpha", .label = "alpha@1.0.0#1", .message = ""});
    assert_true(s->ok && s->reported);
    assert_ptr_equal(sources_by_plugin(&sources, "alpha"), s);
    source_report(s, &(struct deploy_report){.plugin = "alpha",
                                             .label = "",
                                             .code = PN_ESCRIPT,
                                             .message = "broken",
                                             .step = DEPLOY_VERIFY});
    assert_false(s->ok);
    assert_string_equal(s->message, "broken");
    assert_string_equal(s->label, "alpha@1.0.0#1");
    source_report(s, &(struct deploy_report){
                         .plugin = "", .label = "", .code = PN_EEXIST, .message = "already live"});
    assert_true(s->ok && s->message[0] == 0);
    assert_string_equal(s->plugin, "alpha");
    s->gone = true;
    assert_null(sources_by_plugin(&sources, "alpha"));
}

#define SOURCES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOURCES_TEST(scan__finds_the_plugins_of_a_folder_in_order),
        SOURCES_TEST(scan__takes_a_plugin_itself),
        SOURCES_TEST(scan__says_what_arrived_for_the_first_time_or_again),
        SOURCES_TEST(report__keeps_the_last_label_and_the_last_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
