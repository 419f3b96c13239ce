/* Secrets of files and of the environment, and each plugin's part of the configuration. */
#include "plugin_fixture.h"

#include "base/log.h"

#include <sys/stat.h>

static char secrets[96];
static struct plugin_settings settings;
static struct buffer value;

static int set_up(void **state)
{
    log_set_level((enum log_level)(LOG_ERROR + 1));
    buffer_init(&value);
    if (set_up_home(state) != 0)
        return -1;
    snprintf(secrets, sizeof secrets, "%s/secrets", home.directory);
    settings = (struct plugin_settings){.secrets = secrets, .strict = true};
    return file_make_directory(secrets, NULL);
}

static int tear_down(void **state)
{
    buffer_release(&value);
    unsetenv("PINION_SECRET_API_KEY");
    return tear_down_home(state);
}

static void put_secret(const char *content, mode_t mode)
{
    char path[160];
    snprintf(path, sizeof path, "%s/api_key", secrets);
    assert_int_equal(file_write(path, text_of(content), false, &home.err), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int look(void)
{
    buffer_clear(&value);
    return secret_read(&settings, TEXT("api_key"), &value, &home.err);
}

static void expect_secret(const char *expected)
{
    if (look() != 0)
        fail_msg("%s", home.err.message);
    assert_string_equal(buffer_text(&value).data, expected);
    assert_int_equal(secret_read(&settings, TEXT("api_key"), NULL, &home.err), 0);
}

static void expect_refused(int code, const char *part)
{
    assert_int_equal(look(), code);
    expect_in(home.err.message, part);
    expect_in(home.err.message, "secret 'api_key'");
    assert_int_equal(secret_read(&settings, TEXT("api_key"), NULL, &home.err), code);
}

static void secret__is_the_file_without_one_line_feed(void **state)
{
    (void)state;
    put_secret("value", 0600);
    expect_secret("value");
    put_secret("value\n", 0400);
    expect_secret("value");
    put_secret("two\nlines\n\n", 0600);
    expect_secret("two\nlines\n");
}

static void secret__that_is_no_good_is_refused(void **state)
{
    (void)state;
    char path[160];
    put_secret("", 0600);
    expect_refused(PN_EINVAL, "is empty");
    put_secret("\n", 0600);
    assert_int_equal(look(), PN_EINVAL);
    snprintf(path, sizeof path, "%s/api_key", secrets);
    unlink(path);
    mkdir(path, 0700);
    expect_refused(PN_EINVAL, "is no file");
    rmdir(path);
    char *large = malloc(SECRET_MAX + 2);
    memset(large, 'x', SECRET_MAX + 1);
    large[SECRET_MAX + 1] = 0;
    put_secret(large, 0600);
    assert_int_equal(look(), PN_ELIMIT);
    large[SECRET_MAX] = 0;
    put_secret(large, 0600);
    expect_secret(large);
    free(large);
}

static void secret__that_others_can_read_is_refused_in_production(void **state)
{
    (void)state;
    static const mode_t modes[] = {0644, 0640, 0604, 0660, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        settings.strict = true;
        put_secret("value", modes[i]);
        expect_refused(PN_EDENIED, "others can read");
        expect_in(home.err.message, "chmod 600");
        settings.strict = false;
        expect_secret("value");
    }
}

static void secret__that_is_nowhere_says_where_it_was_looked_for(void **state)
{
    (void)state;
    expect_refused(PN_ENOTFOUND, "/secrets/api_key'");
    expect_in(home.err.message, "PINION_SECRET_API_KEY");
    settings.secrets = "";
    expect_refused(PN_ENOTFOUND, "no directory");
}

static void secret__may_be_in_the_environment(void **state)
{
    (void)state;
    setenv("PINION_SECRET_API_KEY", "of the environment", 1);
    expect_secret("of the environment");
    put_secret("of the file", 0600);
    expect_secret("of the file");
    settings.secrets = "";
    expect_secret("of the environment");
    setenv("PINION_SECRET_API_KEY", "", 1);
    expect_refused(PN_ENOTFOUND, "PINION_SECRET_API_KEY");
}

static const char *config_of(const char *plugin)
{
    static char out[256];
    struct text config;
    assert_int_equal(settings_config(&settings, text_of(plugin), &config, &home.err), 0);
    snprintf(out, sizeof out, "%.*s", TEXT_ARGS(config));
    return out;
}

static void config__is_each_plugins_own(void **state)
{
    (void)state;
    settings.config = TEXT("{\"alpha\": {\"a\":[1,{\"b\":2}]} ,\"b\\u0065ta\":{}}");
    assert_string_equal(config_of("alpha"), "{\"a\":[1,{\"b\":2}]}");
    assert_string_equal(config_of("beta"), "{}");
    assert_string_equal(config_of("gamma"), "{}");
    settings.config = TEXT("");
    assert_string_equal(config_of("alpha"), "{}");
}

static int load_generation(const struct plugin_settings *given)
{
    struct generation_spec spec = {.number = 1, .plugin = "alpha"};
    struct generation *g;
    struct bundle bundle;
    struct buffer archive = BUFFER_INIT;
    assert_int_equal(bundle_pack(home.source, &archive, &home.err), 0);
    assert_int_equal(bundle_read(&bundle, buffer_text(&archive), &home.err), 0);
    int rc = generation_load(&g, &spec, &bundle, &home.err);
    if (rc == 0) {
        rc = generation_equip(g, given, &home.err);
        generation_unref(g);
    }
    buffer_release(&archive);
    return rc;
}

static void generation__is_refused_without_what_it_needs(void **state)
{
    (void)state;
    put_plugin("alpha", "1.0.0", "'secret api_key'", "p:query 'q' { run = function() end }");
    assert_int_equal(load_generation(&settings), PN_ENOTFOUND);
    expect_in(home.err.message, "alpha: secret 'api_key' is not there");
    struct plugin_settings placeholders = settings;
    placeholders.placeholders = true;
    assert_int_equal(load_generation(&placeholders), PN_ENOTFOUND);
    put_secret("value", 0600);
    assert_int_equal(load_generation(&settings), 0);
    assert_int_equal(load_generation(&placeholders), 0);
    settings.config = TEXT("{\"alpha\":{\"x\":1}}");
    assert_int_equal(load_generation(&settings), 0);
    put_file("init.lua",
             "local pinion = require 'pinion' local t = pinion.types\n"
             "local p = pinion.plugin { name = 'alpha', version = '1.0.0', layer = 'record',\n"
             "config = { x = t.string } }\np:query 'q' { run = function() end }\nreturn p\n");
    assert_int_equal(load_generation(&settings), PN_EINVAL);
    expect_in(home.err.message, "alpha: the host's configuration of the plugin: member 'x': "
                                "expected string, got 1");
    settings.config = TEXT("{\"alpha\":{\"x\":\"1\"}}");
    assert_int_equal(load_generation(&settings), 0);
}

#define SETTINGS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SETTINGS_TEST(secret__is_the_file_without_one_line_feed),
        SETTINGS_TEST(secret__that_is_no_good_is_refused),
        SETTINGS_TEST(secret__that_others_can_read_is_refused_in_production),
        SETTINGS_TEST(secret__that_is_nowhere_says_where_it_was_looked_for),
        SETTINGS_TEST(secret__may_be_in_the_environment),
        SETTINGS_TEST(config__is_each_plugins_own),
        SETTINGS_TEST(generation__is_refused_without_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
