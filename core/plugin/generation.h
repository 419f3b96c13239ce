/*
 * Generation: one loaded, immutable instance of a plugin version in this process.
 *
 * References are held by: the catalogue (while it serves or is prepared), and each call that runs
 * on it. The last unref closes it: VM, memory account, definition, bundle. The store is the
 * plugin's, not the generation's, and is borrowed.
 */
#ifndef PINION_PLUGIN_GENERATION_H
#define PINION_PLUGIN_GENERATION_H

#include "binding/binding.h"
#include "plugin/bundle.h"
#include "plugin/query_cache.h"
#include "plugin/settings.h"
#include "plugin/tally.h"
#include "store/migration.h"

enum { GENERATION_LABEL_SIZE = 128, PLUGIN_NAME_SIZE = 72 };

/* What a release says about one generation; the same in every worker. */
struct generation_spec {
    char plugin[PLUGIN_NAME_SIZE]; /* its name; also the prefix of error places */
    int64_t number;                /* counts up per plugin: "#7" */
    char hash[BUNDLE_HASH_SIZE];
};

struct generation {
    unsigned refs;
    struct generation_spec spec;
    char label[GENERATION_LABEL_SIZE]; /* "orders@1.4.0#7" */
    struct bundle bundle;
    struct plugin_definition definition;
    struct binding_scope scope;
    struct value_object objects[BINDINGS_MAX];
    struct vm *vm;
    uint64_t calls, errors; /* served by it in this process */
    struct tally tally;     /* of who has called what */
    struct query_cache cache;
    unsigned outgrown; /* the last calls in a row that ended for want of memory */
};

/*
 * Loads with one reference. The bundle is taken over, also on failure. scope.store is for the
 * caller to set before the first call of a plugin that needs "db" or "kv", scope.state of one that
 * needs "state". PN_ESCRIPT, PN_EINVAL,
 * PN_ENOMEM: messages name file and line.
 */
int generation_load(struct generation **out, const struct generation_spec *spec,
                    struct bundle *bundle, struct pn_error *err);

/* The same of a bundle that is stored in that directory (bundle_open). */
int generation_open(struct generation **out, const struct generation_spec *spec,
                    const char *bundles_directory, struct pn_error *err);

/*
 * The same as generation_load for whoever looks for mistakes: `mistake` is told the first one of each capability that is
 * declared wrongly.
 */
int generation_load_telling(struct generation **out, const struct generation_spec *spec,
                            struct bundle *bundle,
                            void (*mistake)(void *user, const struct pn_error *err), void *user,
                            struct pn_error *err);

/*
 * Gives it its secrets and its configuration, before its first call. PN_EINVAL: the configuration does
 * not fit what the plugin declares; PN_ENOTFOUND and others of secret_read; PN_ENOMEM.
 */
int generation_equip(struct generation *g, const struct plugin_settings *settings,
                     struct pn_error *err);

struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g);

/*
 * The bundle's migrations for an engine in order, checked: where "0001_x.postgresql.sql" is there, it
 * takes the place of "0001_x.sql" on PostgreSQL, and is not looked at elsewhere; *list is malloc'd (the caller frees it), its texts are
 * the bundle's.
 */
int generation_migrations(const struct bundle *bundle, enum migration_engine engine,
                          struct migration **list, size_t *count, struct pn_error *err);

const struct capability *generation_capability(const struct generation *g, struct text name);

#endif
