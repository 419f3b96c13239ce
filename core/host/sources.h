/*
 * Sources: the plugin directories a host was given, and how the last deployment of each went.
 *
 * A directory given on the command line is one plugin, or a folder of plugins; a folder is looked
 * through again when it changes. Paths are kept as given, for messages a person reads.
 */
#ifndef PINION_HOST_SOURCES_H
#define PINION_HOST_SOURCES_H

#include "base/file.h"
#include "release/deploy.h"

enum { SOURCES_MAX = 4096 };

struct source {
    char directory[FILE_PATH_MAX];
    char plugin[PLUGIN_NAME_SIZE]; /* "" until it was verified once */
    char label[GENERATION_LABEL_SIZE];
    bool reported, ok, gone;
    int64_t missing_since; /* 0: its init.lua was there when it was last looked for */
    bool arrived; /* found by a scan, for the first time or again; whoever acts on it clears it */
    enum deploy_step step; /* where it failed */
    char message[PN_ERROR_MESSAGE_MAX];
    int64_t at_wall, took;
    struct difference difference; /* that the last one made, or would have made */
};

struct sources {
    struct source *list[SOURCES_MAX]; /* owned */
    size_t count;
};

void sources_release(struct sources *s);

/*
 * Adds a plugin directory, or those inside a folder of plugins. *found counts what is there now,
 * new or known. PN_ENOTFOUND: neither; PN_ELIMIT, PN_EIO.
 */
int sources_scan(struct sources *s, const char *directory, size_t *found, struct pn_error *err);

bool source_is_plugin(const char *directory); /* it has an init.lua */

struct source *sources_by_directory(const struct sources *s, const char *directory);
/* The one that is not gone and whose plugin has this name, or NULL. */
struct source *sources_by_plugin(const struct sources *s, const char *plugin);

void source_report(struct source *s, const struct deploy_report *report);

#endif
