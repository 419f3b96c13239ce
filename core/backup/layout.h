/*
 * Layout: the files of a data directory that a backup keeps, by name: active.json, pinion.json,
 * usage.json, registry.db, bundles/HASH.bundle, db/NAME.db. All else is made anew, or belongs to a running host.
 */
#ifndef PINION_BACKUP_LAYOUT_H
#define PINION_BACKUP_LAYOUT_H

#include "base/file.h"
#include "release/audit.h"

#define LAYOUT_ACTIVE "active.json"
#define LAYOUT_CONFIG "pinion.json"
#define LAYOUT_BUNDLES "bundles"
#define LAYOUT_DATABASES "db"
#define LAYOUT_REGISTRY AUDIT_FILE

/* Whether a path relative to the data directory is one of those; so it has no "..", no link to it
 * and is not absolute. */
bool layout_keeps(struct text name);

bool layout_is_bundle(struct text name);   /* of "bundles/HASH.bundle" */
bool layout_is_database(struct text name); /* of "db/NAME.db", and "registry.db" */

/* Of db/: a plugin's name of such a file; false: it is another file. */
bool layout_plugin_of(struct text file, struct text *plugin);

/* A message without the path that it begins with: for those who name the file themselves. */
const char *layout_reason(const char *message, const char *path);

#endif
