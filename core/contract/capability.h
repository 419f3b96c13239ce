/*
 * What a plugin declares: who it is, what it needs, its limits, and its capabilities with their
 * contracts.
 *
 * Read once from the plugin's own definition (lua/define.c), then immutable; all of it lives in one
 * arena.
 */
#ifndef PINION_CONTRACT_CAPABILITY_H
#define PINION_CONTRACT_CAPABILITY_H

#include "contract/type.h"

enum capability_kind { CAPABILITY_QUERY, CAPABILITY_COMMAND, CAPABILITY_ACTION };
enum plugin_layer { LAYER_RECORD, LAYER_DIFFERENTIATION, LAYER_INNOVATION };

struct declared_error {
    struct text code; /* "not_found" */
    int status;       /* 400 to 599 */
};

/* A request header that becomes a member of the input: headers = { request_id = "X-Request-Id" }. */
struct capability_header {
    struct text member;
    struct text header; /* as declared; compared without case */
};

struct capability {
    struct text name;    /* "place" */
    struct text address; /* "orders.place" */
    struct text key;     /* "orders.place@1" */
    /*
     * The contract's major version, 1 …. Several of one name may live side by side, as
     * "orders.place@1" and "@2"; a call without a version means the highest.
     */
    int64_t version;
    enum capability_kind kind;
    struct text summary, description;
    struct text deprecated; /* what to use instead; len 0: it is not */
    bool expose_mcp;        /* offered as a tool: expose = { "mcp" } */
    bool idempotent;  /* a second call with the same input changes nothing more; of a query true */
    int64_t cache_ms; /* a query's answers are kept so long; 0: not at all */
    const struct capability_header *headers; /* by member */
    size_t header_count;
    struct text method, path;            /* of the declared route; len 0: none */
    const struct contract_type *input;   /* an object */
    const struct contract_type *output;  /* NULL: nothing is answered (204) */
    const struct declared_error *errors; /* by code */
    size_t error_count;
    struct text where; /* "orders/init.lua:12" */
    int run;           /* the handler, as lua/ keeps it */
};

struct plugin_limits {
    int64_t cpu_ms, wall_ms, memory_mb;
    int64_t concurrency; /* calls of the plugin that may run at once in one worker */
    int64_t rows;        /* that ctx.db:all gives; more: the call fails */
    int64_t db_ms;       /* that one SQL statement of ctx.db may run; 0: as long as its call */
};

struct plugin_definition {
    struct arena arena;
    struct text name, version, owner, summary;
    enum plugin_layer layer;
    const struct text *needs;
    size_t need_count;
    struct plugin_limits limits;
    const struct contract_type *config; /* of its part of the host's file, an object; NULL: any */
    const struct contract_named *types; /* in the order they were declared */
    size_t type_count;
    struct capability *capabilities; /* in the order they were declared */
    size_t capability_count;
};

/* What exports describe: plugins that serve side by side. Borrowed. */
struct contract_set {
    const struct plugin_definition *const *plugins;
    size_t count;
};

const char *capability_kind_name(enum capability_kind kind);
bool plugin_layer_parse(struct text name, enum plugin_layer *out);
const char *plugin_layer_name(enum plugin_layer layer);

/*
 * Names of plugins and capabilities: a lower-case letter, then letters, digits and '_', 64 at most.
 */
bool plugin_name_is_valid(struct text name);
/* MAJOR.MINOR.PATCH in plain numbers. */
bool plugin_version_is_valid(struct text version);

/* A need "db" is granted by the word alone; "http https://…" by its first word. */
bool plugin_needs(const struct plugin_definition *plugin, struct text first_word);

/* The name in a need "secret stripe_key"; false: it is another need. */
bool plugin_need_secret(struct text need, struct text *name);

/* The name in a need "binding redis"; false: it is another need. */
bool plugin_need_binding(struct text need, struct text *name);

/* By name, "place" (the highest version) or "place@1"; NULL: there is none. */
const struct capability *plugin_capability(const struct plugin_definition *plugin,
                                           struct text name);

/* The version that a call without one means: no other of that name is higher. */
bool capability_is_newest(const struct plugin_definition *plugin, const struct capability *c);

const struct declared_error *capability_error(const struct capability *c, struct text code);

#endif
