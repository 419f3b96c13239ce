/*
 * Plugins in a temporary directory: written as files, packed and stored as bundles, loaded and
 * called.
 */
#ifndef PINION_TEST_PLUGIN_FIXTURE_H
#define PINION_TEST_PLUGIN_FIXTURE_H

#include "base/file.h"
#include "plugin/catalogue.h"
#include "plugin/execute.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    char directory[64], bundles[96], databases[96], source[96];
    struct pn_error err;
} home;

static inline int set_up_home(void **state)
{
    (void)state;
    snprintf(home.directory, sizeof home.directory, "/tmp/pinion-plugin-XXXXXX");
    if (!mkdtemp(home.directory))
        return -1;
    snprintf(home.bundles, sizeof home.bundles, "%s/bundles", home.directory);
    snprintf(home.databases, sizeof home.databases, "%s/databases", home.directory);
    snprintf(home.source, sizeof home.source, "%s/source", home.directory);
    return file_make_directory(home.bundles, NULL) || file_make_directory(home.databases, NULL) ||
           file_make_directory(home.source, NULL);
}

static inline int tear_down_home(void **state)
{
    (void)state;
    return file_remove_tree(home.directory, NULL);
}

/* Writes a file below the source directory; its folder is made. */
static inline void put_file(const char *name, const char *content)
{
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", home.source, name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_int_equal(file_make_directory(path, &home.err), 0);
    *slash = '/';
    assert_int_equal(file_write(path, text_of(content), false, &home.err), 0);
}

/* init.lua of a plugin of that name and needs, with these capabilities. */
static inline void put_plugin(const char *name, const char *version, const char *needs,
                              const char *capabilities)
{
    char text[8192];
    snprintf(
        text, sizeof text,
        "local pinion = require 'pinion'\nlocal t = pinion.types\n"
        "local p = pinion.plugin { name = '%s', version = '%s', layer = 'record', needs = { %s } }\n%s\n"
        "return p\n",
        name, version, needs, capabilities);
    put_file("init.lua", text);
}

/* Packs the source directory, stores the bundle, and gives what a release would say about it. */
static inline struct generation_spec store_source(const char *plugin, int64_t number)
{
    struct generation_spec spec = {.number = number};
    struct buffer archive = BUFFER_INIT;
    if (bundle_pack(home.source, &archive, &home.err) != 0)
        fail_msg("%s", home.err.message);
    snprintf(spec.plugin, sizeof spec.plugin, "%s", plugin);
    bundle_hash(buffer_text(&archive), spec.hash);
    assert_int_equal(bundle_store(home.bundles, buffer_text(&archive), spec.hash, false, &home.err),
                     0);
    buffer_release(&archive);
    return spec;
}

static inline void expect_in(const char *whole, const char *part)
{
    if (!strstr(whole, part))
        fail_msg("'%s' is not in '%s'", part, whole);
}

#endif
