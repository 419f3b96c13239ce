#include "host/config.h"

#include "failing_malloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char directory[64], path[96];
static struct host_config config;
static struct pn_error err;

static int set_up(void **state)
{
    (void)state;
    config_init(&config, false);
    snprintf(directory, sizeof directory, "/tmp/pinion-config-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/pinion.json", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_release(&config);
    return file_remove_tree(directory, NULL);
}

static int read_text(const char *text)
{
    assert_int_equal(file_write(path, text_of(text), false, &err), 0);
    return config_read_file(&config, path, &err);
}

static void refused(const char *text, const char *why)
{
    if (read_text(text) != PN_EINVAL)
        fail_msg("'%s' was accepted", text);
    if (!strstr(err.message, why))
        fail_msg("'%s' is not in '%s'", why, err.message);
    assert_non_null(strstr(err.message, "line "));
}

static void config__has_native_bindings(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"bindings\":{\"redis\":{\"path\":\"/r.so\"}},\"workers\":1}"), 0);
    assert_true(native_configs_have(&config.natives, TEXT("redis")));
    refused("{\"bindings\":1}", "'bindings' must be an object");
    refused("{\"bindings\":{\"redis\":{}}}", "'bindings.redis.path' must be the path");
    refused("{\"bindings\":{\"a\":}}", "");
}

static void config__keeps_what_is_for_plugins_as_text(void **state)
{
    (void)state;
    assert_null(config.plugin_config);
    assert_int_equal(
        read_text("{\"secrets\":\"s\",\"config\": {\"shop\":{\"a\":[1,{}]}, \"b\":{}} }"), 0);
    assert_string_equal(config.secrets, "s");
    assert_string_equal(config.plugin_config, "{\"shop\":{\"a\":[1,{}]}, \"b\":{}}");
    refused("{\"config\":[]}", "'config' must be an object");
    refused("{\"config\":{\"shop\":1}}", "'config.shop' must be an object");
    refused("{\"config\":{\"Shop\":{}}}",
            "'config' has objects by the names of plugins, 'Shop' is none");
    refused("{\"config\":{\"shop\":{},\"shop\":{}}}", "'config.shop' is there twice");
    refused("{\"config\":{},\"config\":{}}", "'config' is there twice");
    refused("{\"config\":{\"shop\":{]}}", "");
    refused("{\"secrets\":\"\"}", "'secrets' must be a path");
}

static void config__reads_every_setting(void **state)
{
    (void)state;
    char listen[ADDRESS_TEXT_SIZE];
    assert_int_equal(
        read_text(
            "{\"listen\":\"127.0.0.1:9000\",\"admin\":\"127.0.0.1:9001\",\"data\":\"d\",\"user\":\"web\",\"workers\":3,\n"
            "\"drain_ms\":1,\"stuck_ms\":200,\"plugins\":[\"a\",\"b\"],\n"
            "\"limits\":{\"body\":77,\"header_count\":5,\"state_kb\":2048},\"timeouts_ms\":{\"head\":9},\n"
            "\"log\":{\"level\":\"warn\",\"format\":\"json\"}}"),
        0);
    address_print(&config.listen, listen);
    assert_string_equal(listen, "127.0.0.1:9000");
    assert_string_equal(config.user, "web");
    assert_true(config.admin_given && config.workers == 3 && config.directory_count == 2);
    assert_string_equal(config.data, "d");
    assert_string_equal(config.directories[1], "b");
    assert_true(config.settings.drain_ms == 1 && config.settings.stuck_ms == 200);
    assert_true(config.settings.http.body == 77 && config.settings.http.header_count == 5);
    assert_int_equal(config.settings.http.head_ms, 9);
    assert_int_equal(config.state_kb, 2048);
    assert_int_equal(config.settings.log_level, LOG_WARN);
    assert_int_equal(config.log_format, LOG_FORMAT_JSON);
}

static void config__refuses_what_it_does_not_understand(void **state)
{
    (void)state;
    refused("{\"wrokers\":1}", "there is no setting 'wrokers'");
    refused("{\"limits\":{\"size\":1}}", "there is no setting 'limits.size'");
    refused("{\"limits.body\":1}", "there is no setting 'limits.body'");
    refused("{\"limits\":{\"limits\":{}}}", "there is no setting 'limits.limits'");
    refused("{\"limits\":1}", "'limits' must be an object");
    refused("{\"limits\":{\"state_kb\":1000}}",
            "'limits.state_kb' must be an integer from 1024 to 1048576");
    refused("{\"workers\":0}", "'workers' must be an integer from 1 to 64");
    refused("{\"workers\":1.5}", "'workers' must be an integer");
    refused("{\"workers\":99999999999999999999}", "'workers' must be an integer");
    refused("{\"listen\":8080}", "'listen' must be a string");
    refused("{\"listen\":\"nowhere\"}", "'listen': ");
    refused("{\"data\":\"\"}", "'data' must be a path");
    refused("{\"user\":7}", "'user' must be a user's name");
    refused("{\"user\":\"\"}", "'user': a user's name has 1 to 63 bytes");
    refused("{\"plugins\":\"a\"}", "'plugins' must be a list of directories");
    refused("{\"plugins\":[1]}", "'plugins' must be a list of directories");
    refused("{\"log\":{\"level\":\"loud\"}}", "'log.level' must be");
    refused("{\"log\":{\"format\":1}}", "'log.format' must be");
    refused("[]", "a configuration is a JSON object");
    refused("{\"workers\":1", "line 1, column 13");
    refused("{\"workers\":1}}", "line 1, column 14");
    refused("{\n  \"a_name_that_is_much_longer_than_any_setting_has\": 1}", "line 2, column 3");
}

static void config__an_absent_file_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(config_read_file(&config, path, &err), PN_ENOTFOUND);
}

static const char *url_of(const char *plugin)
{
    return databases_find(&config.databases, plugin).url;
}

static void databases__are_sqlite_unless_a_url_is_given(void **state)
{
    (void)state;
    assert_null(url_of("orders"));
    assert_false(databases_any(&config.databases));
    assert_int_equal(
        read_text("{\"databases\":{\"orders\":\"postgres://h/o\",\"small\":\"sqlite\"},\n"
                  "\"database_connections\":3,\"database\":\"postgresql://u@h1:5432,"
                  "h2/d?target_session_attrs=read-write\"}"),
        0);
    assert_string_equal(url_of("orders"), "postgres://h/o");
    assert_true(databases_find(&config.databases, "orders").own_login);
    assert_null(url_of("small"));
    assert_string_equal(url_of("order"),
                        "postgresql://u@h1:5432,h2/d?target_session_attrs=read-write");
    assert_false(databases_find(&config.databases, "order").own_login);
    assert_int_equal(config.databases.connections, 3);
    assert_true(databases_any(&config.databases));
    assert_int_equal(read_text("{\"database\":\"sqlite\"}"), 0);
    assert_null(url_of("others"));
}

static void databases__a_wrong_one_is_refused_without_its_password(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"{\"database\":\"mysql://u:opensesame@h\"}", "'database': "},
        {"{\"database\":\"opensesame\"}", "'database': "},
        {"{\"database\":\"postgresql://u:opensesame%\"}", "'database': "},
        {"{\"database\":\"postgresql://u:opensesame%4x@\"}", "'database': "},
        {"{\"database\":\"postgresql://u:opensesame%00@\"}", "'database': "},
        {"{\"database\":\"postgresql://u:opensesame\\u0000@h\"}", "'database': "},
        {"{\"database\":\"postgresql://u:x@h:port/d?password=opensesame&x=y\"}", "'database': "},
        {"{\"database\":\"postgresql://u:x/d?opensesame=y@h\"}", "'database': "},
        {"{\"database\":\"postgresql://u:x@[opensesame\"}", "'database': "},
        {"{\"database\":1}", "'database' must be \"sqlite\" or a URL"},
        {"{\"database\":\"sqlite\",\"database\":\"sqlite\"}", "'database' is there twice"},
        {"{\"databases\":\"postgresql://u:opensesame@h\"}", "'databases' must be an object"},
        {"{\"databases\":{\"postgresql://u:opensesame@h\":\"a\"}}", "this is none"},
        {"{\"databases\":{\"a\":[\"opensesame\"]}}", "'databases.a' must be \"sqlite\" or a URL"},
        {"{\"databases\":{\"a\":\"opensesame\"}}", "'databases.a': "},
        {"{\"databases\":{\"a\":\"sqlite\",\"a\":\"sqlite\"}}", "'databases.a' is there twice"},
        {"{\"databases\":{\"a\":\"postgresql://u:opensesame@h\"]}", "line 1, column 48"},
        {"{\"database_connections\":0}", "'database_connections' must be an integer from 1 to 100"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        refused(wrong[i][0], wrong[i][1]);
        if (strstr(err.message, "opensesame"))
            fail_msg("'%s' was shown", err.message);
        databases_release(&config.databases);
    }
}

static void databases__a_failed_change_keeps_what_was_there(void **state)
{
    (void)state;
    struct databases *d = &config.databases;
    malloc_fail_from(0, 1);
    int rc = databases_set(d, "a", TEXT("postgresql://h"), &err);
    assert_int_equal(malloc_fail_none(), 1);
    assert_int_equal(rc, PN_ENOMEM);
    assert_int_equal(d->count, 0);
    while (d->count < DATABASES_MAX)
        assert_int_equal(databases_set(d, "a", TEXT("sqlite"), &err), 0);
    assert_int_equal(databases_set(d, "b", TEXT("postgresql://h"), &err), PN_ELIMIT);
    assert_int_equal(databases_set(d, NULL, TEXT("postgres://h"), &err), 0);
    assert_int_equal(databases_set(d, NULL, TEXT("mysql://h"), &err), PN_EINVAL);
    assert_string_equal(d->url, "postgres://h");
}

static void config__has_room_for_a_limit_of_directories(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIG_DIRECTORIES_MAX; i++)
        assert_int_equal(config_add_directory(&config, TEXT("a"), &err), 0);
    assert_int_equal(config_add_directory(&config, TEXT("a"), &err), PN_ELIMIT);
}

static void complete__fills_in_what_depends_on_the_rest(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_SIZE];
    assert_int_equal(config_complete(&config, &err), 0);
    address_print(&config.admin, text);
    assert_non_null(strstr(text, CONFIG_ADMIN_SOCKET));
    assert_in_range(config.workers, 1, CONFIG_WORKERS_MAX);
    config.dev = true;
    assert_int_equal(config_complete(&config, &err), 0);
    address_print(&config.admin, text);
    assert_string_equal(text, "127.0.0.1:8081");
}

#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(config__reads_every_setting),
        CONFIG_TEST(config__has_native_bindings),
        CONFIG_TEST(config__keeps_what_is_for_plugins_as_text),
        CONFIG_TEST(config__refuses_what_it_does_not_understand),
        CONFIG_TEST(config__an_absent_file_is_an_error),
        CONFIG_TEST(databases__are_sqlite_unless_a_url_is_given),
        CONFIG_TEST(databases__a_wrong_one_is_refused_without_its_password),
        CONFIG_TEST(databases__a_failed_change_keeps_what_was_there),
        CONFIG_TEST(config__has_room_for_a_limit_of_directories),
        CONFIG_TEST(complete__fills_in_what_depends_on_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
