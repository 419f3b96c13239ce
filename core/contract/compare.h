/*
 * Comparison: what changes for callers when one definition of a plugin takes another's place.
 *
 * Capabilities are compared by name and version; types by the JSON they accept. An input may accept
 * more and an output may give less: the other way round a caller breaks. Each difference becomes a
 * change with the rule that judges it; docs/plugin-api.md lists the rules.
 * The result lives in the arena given and needs the definitions no more. Cost: types that refer to
 * each other are followed over a bounded number of pairs, and what is beyond counts as breaking.
 */
#ifndef PINION_CONTRACT_COMPARE_H
#define PINION_CONTRACT_COMPARE_H

#include "base/buffer.h"
#include "contract/capability.h"

/* Whom a change breaks. Append only: those who realise extension points come with those. */
enum contract_class { CONTRACT_COMPATIBLE, CONTRACT_BREAKS_CALLERS };

enum { CONTRACT_CHANGES_MAX = 1000 }; /* that are kept; all are counted */

/*
 * rule, its word, whom it breaks. A removal takes an address away and leaves what stays as it was.
 */
#define CONTRACT_RULES(X)                                                                          \
    X(CAPABILITY_REMOVED, "capability-removed", CONTRACT_BREAKS_CALLERS)                           \
    X(ROUTE_REMOVED, "route-removed", CONTRACT_BREAKS_CALLERS)                                     \
    X(ROUTE_CHANGED, "route-changed", CONTRACT_BREAKS_CALLERS)                                     \
    X(MCP_REMOVED, "mcp-removed", CONTRACT_BREAKS_CALLERS)                                         \
    X(CAPABILITY_KIND_CHANGED, "capability-kind-changed", CONTRACT_BREAKS_CALLERS)                 \
    X(IDEMPOTENCE_LOST, "idempotence-lost", CONTRACT_BREAKS_CALLERS)                               \
    X(HEADER_REMOVED, "header-removed", CONTRACT_BREAKS_CALLERS)                                   \
    X(ERROR_REMOVED, "error-removed", CONTRACT_BREAKS_CALLERS)                                     \
    X(ERROR_STATUS_CHANGED, "error-status-changed", CONTRACT_BREAKS_CALLERS)                       \
    X(OUTPUT_REMOVED, "output-removed", CONTRACT_BREAKS_CALLERS)                                   \
    X(MEMBER_REMOVED, "member-removed", CONTRACT_BREAKS_CALLERS)                                   \
    X(MEMBER_REQUIRED, "member-required", CONTRACT_BREAKS_CALLERS)                                 \
    X(MEMBER_MAY_BE_MISSING, "member-may-be-missing", CONTRACT_BREAKS_CALLERS)                     \
    X(INPUT_NARROWED, "input-narrowed", CONTRACT_BREAKS_CALLERS)                                   \
    X(OUTPUT_WIDENED, "output-widened", CONTRACT_BREAKS_CALLERS)                                   \
    X(KIND_CHANGED, "kind-changed", CONTRACT_BREAKS_CALLERS)                                       \
    X(SCHEMA_CHANGED, "schema-changed", CONTRACT_BREAKS_CALLERS)                                   \
    X(TOO_COMPLEX, "too-complex", CONTRACT_BREAKS_CALLERS)                                         \
    X(CAPABILITY_ADDED, "capability-added", CONTRACT_COMPATIBLE)                                   \
    X(UNVERSIONED_MEANS_NEWER, "unversioned-means-newer", CONTRACT_COMPATIBLE)                     \
    X(ROUTE_MEANS_NEWER, "route-means-newer", CONTRACT_COMPATIBLE)                                 \
    X(ROUTE_ADDED, "route-added", CONTRACT_COMPATIBLE)                                             \
    X(MCP_ADDED, "mcp-added", CONTRACT_COMPATIBLE)                                                 \
    X(CAPABILITY_KIND_STRICTER, "capability-kind-stricter", CONTRACT_COMPATIBLE)                   \
    X(IDEMPOTENCE_GAINED, "idempotence-gained", CONTRACT_COMPATIBLE)                               \
    X(CAPABILITY_DEPRECATED, "capability-deprecated", CONTRACT_COMPATIBLE)                         \
    X(HEADER_ADDED, "header-added", CONTRACT_COMPATIBLE)                                           \
    X(ERROR_ADDED, "error-added", CONTRACT_COMPATIBLE)                                             \
    X(OUTPUT_ADDED, "output-added", CONTRACT_COMPATIBLE)                                           \
    X(MEMBER_ADDED, "member-added", CONTRACT_COMPATIBLE)                                           \
    X(MEMBER_OPTIONAL, "member-optional", CONTRACT_COMPATIBLE)                                     \
    X(MEMBER_ALWAYS_THERE, "member-always-there", CONTRACT_COMPATIBLE)                             \
    X(DEFAULT_CHANGED, "default-changed", CONTRACT_COMPATIBLE)                                     \
    X(INPUT_WIDENED, "input-widened", CONTRACT_COMPATIBLE)                                         \
    X(OUTPUT_NARROWED, "output-narrowed", CONTRACT_COMPATIBLE)

enum contract_rule {
#define X(name, word, breaks) CONTRACT_##name,
    CONTRACT_RULES(X)
#undef X
};

struct contract_change {
    struct contract_change *next;
    enum contract_rule rule;
    bool refused;           /* in production: see contract_compare */
    struct text capability; /* "orders.place@1" */
    struct text place;      /* "input/qty", or "" */
    struct text sentence;   /* "max was 99, is 50" */
    struct text usage;      /* who is known to use it, where somebody has said so; or "" */
};

/* In the order of the new definition's capabilities, those that are gone last. */
struct contract_changes {
    struct contract_change *first;
    size_t count, breaking, refused; /* of all, also of those that were not kept */
};

/*
 * Places are written like JSON Pointers: "input/lines" is a member of the input, "input/lines/[]" an
 * item of that array or map, "input/pay/by=card" a variant of a union.
 *
 * Refused is what breaks callers without a new major: a change inside of name@N always is; a removal
 * of an address (capability-removed, route-removed, route-changed, mcp-removed) is unless the
 * plugin's own MAJOR version went up. PN_ENOMEM.
 */
int contract_compare(struct contract_changes *out, struct arena *arena,
                     const struct plugin_definition *old, const struct plugin_definition *new,
                     struct pn_error *err);

const char *contract_rule_name(enum contract_rule rule);
enum contract_class contract_rule_class(enum contract_rule rule);

/* "orders.place@1 input/qty: max was 99, is 50 (input-narrowed), never used since 2026-11-18" */
void contract_change_print(const struct contract_change *change, struct buffer *out);

/*
 * One line each, what is refused first, then what breaks, then the rest, in at most `size` bytes
 * with the terminator; what does not fit is counted in the last line. Only the refused ones, or all.
 */
void contract_changes_print(const struct contract_changes *changes, bool refused_only,
                            const char *separator, char *out, size_t size);

#endif
