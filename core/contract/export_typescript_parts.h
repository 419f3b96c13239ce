/*
 * What the files of the TypeScript export share: the names that were chosen, and the writers of
 * types and shapes.
 *
 * Names live in the export's arena; each is used once in the module. Where memory runs out `failed`
 * is set, and the export refuses as a whole.
 */
#ifndef PINION_CONTRACT_EXPORT_TYPESCRIPT_PARTS_H
#define PINION_CONTRACT_EXPORT_TYPESCRIPT_PARTS_H

#include "contract/export_text.h"
#include "contract/export_typescript.h"

#include "base/map.h"

/* Names of one plugin, by the index of what they stand for. */
struct typescript_plugin {
    const struct plugin_definition *definition;
    struct text interface;     /* "OrdersPlugin" */
    struct text *types;        /* "OrdersLine" */
    bool *exact;               /* whether such a type holds integers of 64 bits, or any JSON */
    struct text *capabilities; /* "OrdersPlace", for OrdersPlaceInput and so on */
    struct text *methods;      /* "place_v1"; of the newest version, if there are others */
};

struct typescript {
    struct buffer *out;
    enum typescript_integers integers;
    struct typescript_plugin *plugins;
    size_t plugin_count;
    struct arena arena;
    struct map taken; /* names in the module */
    struct buffer scratch;
    bool failed;
};

/* Chooses all names. `module` is the template, whose own names are taken. */
void typescript_names(struct typescript *ts, const struct contract_set *set, struct text module);

/* A name of a member: as it is, or quoted. */
void typescript_key(struct typescript *ts, struct text name);
void typescript_indent(struct typescript *ts, int depth);
/* A doc comment of the lines in `scratch`, which is used up; nothing when there are none. */
void typescript_comment(struct typescript *ts, int depth);

/* A type where it is used; objects are written out, `depth` deep. */
void typescript_type(struct typescript *ts, const struct typescript_plugin *p,
                     const struct contract_type *type, int depth);
/* export interface NAME { … } or export type NAME = …; */
void typescript_declare(struct typescript *ts, const struct typescript_plugin *p, struct text name,
                        const char *suffix, const struct contract_type *type);

/* Whether an integer may be beyond 2^53. */
bool typescript_is_exact(const struct contract_type *integer);
/* Finds out which named types are exact. */
void typescript_find_exact(struct typescript_plugin *p);
/* Where a type has integers of 64 bits, as the module's runtime reads it. */
void typescript_shape(struct typescript *ts, const struct typescript_plugin *p,
                      const struct contract_type *type);

#endif
