#include "host/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { QUIET_MS = 120 };

static char directory[64], alpha[96], beta[96];
static struct loop *loop;
static struct loop_timer quiet;
static struct watch *watch;
static struct pn_error err;
static int folder_changes, alpha_changes, beta_changes, other_changes;

static void on_changed(void *user, const char *root)
{
    (void)user;
    int *count = strcmp(root, directory) == 0 ? &folder_changes
                 : strcmp(root, alpha) == 0   ? &alpha_changes
                 : strcmp(root, beta) == 0    ? &beta_changes
                                              : &other_changes;
    ++*count;
}

static void on_quiet(void *user)
{
    (void)user;
    loop_stop(loop);
}

static int set_up(void **state)
{
    (void)state;
    folder_changes = alpha_changes = beta_changes = other_changes = 0;
    snprintf(directory, sizeof directory, "/tmp/pinion-watch-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(alpha, sizeof alpha, "%s/alpha", directory);
    snprintf(beta, sizeof beta, "%s/beta", directory);
    file_make_directory(alpha, NULL);
    file_make_directory(beta, NULL);
    loop = loop_new(&err);
    watch = watch_new(loop, on_changed, NULL, &err);
    return !watch;
}

static int tear_down(void **state)
{
    (void)state;
    watch_free(watch);
    loop_timer_stop(&quiet);
    loop_free(loop);
    return file_remove_tree(directory, NULL);
}

static void put(const char *folder, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("x", f);
    fclose(f);
}

/* Lets everything that happened be reported; the counts are of this time alone. */
static void settle(void)
{
    folder_changes = alpha_changes = beta_changes = other_changes = 0;
    loop_timer_start(&quiet, loop, QUIET_MS, false, on_quiet, NULL);
    assert_int_equal(loop_run(loop, &err), 0);
}

static void watch_all(void)
{
    assert_int_equal(watch_add(watch, directory, &err), 0);
    assert_int_equal(watch_add(watch, alpha, &err), 0);
    assert_int_equal(watch_add(watch, beta, &err), 0);
}

static void watch__reports_a_save_once(void **state)
{
    (void)state;
    assert_int_equal(watch_add(watch, alpha, &err), 0);
    put(alpha, "init.lua");
    put(alpha, "more.lua");
    settle();
    assert_int_equal(alpha_changes, 1);
    settle();
    assert_int_equal(alpha_changes, 0);
}

static void watch__passes_over_what_no_bundle_takes(void **state)
{
    (void)state;
    assert_int_equal(watch_add(watch, alpha, &err), 0);
    put(alpha, ".init.lua.swp");
    put(alpha, "init.lua~");
    put(alpha, "4913");
    settle();
    assert_int_equal(alpha_changes, 0);
}

static void watch__sees_a_save_by_rename(void **state)
{
    (void)state;
    char from[200], to[200];
    assert_int_equal(watch_add(watch, alpha, &err), 0);
    put(alpha, ".init.lua.tmp");
    settle();
    snprintf(from, sizeof from, "%s/.init.lua.tmp", alpha);
    snprintf(to, sizeof to, "%s/init.lua", alpha);
    assert_int_equal(rename(from, to), 0);
    settle();
    assert_int_equal(alpha_changes, 1);
    assert_int_equal(unlink(to), 0);
    settle();
    assert_int_equal(alpha_changes, 1);
}

static void watch__follows_new_directories(void **state)
{
    (void)state;
    char deep[160];
    assert_int_equal(watch_add(watch, alpha, &err), 0);
    snprintf(deep, sizeof deep, "%s/lib/deep", alpha);
    file_make_directory(deep, NULL);
    settle();
    assert_int_equal(alpha_changes, 1);
    put(deep, "x.lua");
    settle();
    assert_int_equal(alpha_changes, 1);
    file_remove_tree(deep, NULL);
    settle();
    assert_int_equal(alpha_changes, 1);
}

static void watch__a_plugins_changes_are_its_own_in_a_folder(void **state)
{
    (void)state;
    watch_all();
    put(alpha, "init.lua");
    settle();
    assert_true(alpha_changes == 1 && beta_changes == 0 && folder_changes == 0);
}

static void watch__a_new_neighbour_takes_no_changes_away(void **state)
{
    (void)state;
    char gamma[96];
    watch_all();
    snprintf(gamma, sizeof gamma, "%s/gamma", directory);
    file_make_directory(gamma, NULL);
    settle();
    assert_int_equal(folder_changes, 1);
    put(alpha, "init.lua");
    put(beta, "init.lua");
    settle();
    assert_true(alpha_changes == 1 && beta_changes == 1 && folder_changes == 0);
    put(gamma, "init.lua");
    settle();
    assert_int_equal(folder_changes, 1);
}

static void watch__a_directory_that_went_and_came_back_is_watched(void **state)
{
    (void)state;
    char away[96];
    watch_all();
    snprintf(away, sizeof away, "%s/.away", directory);
    assert_int_equal(rename(alpha, away), 0);
    settle();
    assert_true(folder_changes + alpha_changes > 0);
    assert_int_equal(rename(away, alpha), 0);
    settle();
    assert_int_equal(folder_changes, 1);
    put(alpha, "init.lua");
    settle();
    assert_int_equal(alpha_changes, 1);
    file_remove_tree(alpha, NULL);
    file_make_directory(alpha, NULL);
    settle();
    put(alpha, "init.lua");
    settle();
    assert_int_equal(alpha_changes, 1);
}

static void watch__of_nothing_is_harmless(void **state)
{
    (void)state;
    assert_int_equal(watch_add(watch, "/tmp/pinion-watch-no-such-directory", &err), 0);
    watch_free(NULL);
}

#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCH_TEST(watch__reports_a_save_once),
        WATCH_TEST(watch__passes_over_what_no_bundle_takes),
        WATCH_TEST(watch__sees_a_save_by_rename),
        WATCH_TEST(watch__follows_new_directories),
        WATCH_TEST(watch__a_plugins_changes_are_its_own_in_a_folder),
        WATCH_TEST(watch__a_new_neighbour_takes_no_changes_away),
        WATCH_TEST(watch__a_directory_that_went_and_came_back_is_watched),
        WATCH_TEST(watch__of_nothing_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
