#include "contract/compare.h"

#include "contract/compare_parts.h"

#include <stdarg.h>
#include <stdio.h>

enum { SENTENCE_MAX = 400 };

static const struct {
    const char *name;
    enum contract_class class;
} rules[] = {
#define X(name, word, breaks) {word, breaks},
    CONTRACT_RULES(X)
#undef X
};

const char *contract_rule_name(enum contract_rule rule)
{
    return rules[rule].name;
}

enum contract_class contract_rule_class(enum contract_rule rule)
{
    return rules[rule].class;
}

/* What name@N means is as it was; it is only not to be had, or not there. */
static bool takes_an_address(enum contract_rule rule)
{
    return rule == CONTRACT_CAPABILITY_REMOVED || rule == CONTRACT_ROUTE_REMOVED ||
           rule == CONTRACT_ROUTE_CHANGED || rule == CONTRACT_MCP_REMOVED;
}

static struct text keep(struct comparison *c, struct text t)
{
    struct text copy = arena_text(c->arena, t);
    c->failed = c->failed || !copy.data;
    return copy;
}

void compare_note(struct comparison *c, enum contract_rule rule, const char *fmt, ...)
{
    char sentence[SENTENCE_MAX];
    va_list args;
    bool breaks = contract_rule_class(rule) == CONTRACT_BREAKS_CALLERS;
    bool refused = breaks && !(c->major_is_new && takes_an_address(rule));
    c->out->count++;
    c->out->breaking += breaks;
    c->out->refused += refused;
    if (c->out->count > CONTRACT_CHANGES_MAX || c->failed)
        return;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    text_repair(sentence, strlen(sentence)); /* it may be cut within a character */
    struct contract_change *change = arena_alloc(c->arena, sizeof *change);
    if (!change) {
        c->failed = true;
        return;
    }
    *change = (struct contract_change){.rule = rule,
                                       .refused = refused,
                                       .capability = c->capability,
                                       .place = keep(c, buffer_text(&c->place)),
                                       .sentence = keep(c, text_of(sentence))};
    *c->last = change;
    c->last = &change->next;
}

static void enter_capability(struct comparison *c, const struct capability *capability)
{
    c->capability = keep(c, capability->key);
    buffer_clear(&c->place);
}

static void set_place(struct comparison *c, const char *folder, struct text name)
{
    buffer_clear(&c->place);
    buffer_append_string(&c->place, folder);
    if (name.len)
        compare_enter(c, name);
}

static const struct capability *same_version(const struct plugin_definition *plugin,
                                             const struct capability *wanted)
{
    for (size_t i = 0; i < plugin->capability_count; i++)
        if (plugin->capabilities[i].version == wanted->version &&
            text_equal(plugin->capabilities[i].name, wanted->name))
            return &plugin->capabilities[i];
    return NULL;
}

/*
 * A query may be asked again and by GET, a command is one transaction: a capability may come to
 * promise more, not less.
 */
static void compare_promises(struct comparison *c, const struct capability *old,
                             const struct capability *new)
{
    bool less = old->kind == CAPABILITY_QUERY || new->kind == CAPABILITY_ACTION;
    if (old->kind != new->kind)
        compare_note(c, less ? CONTRACT_CAPABILITY_KIND_CHANGED : CONTRACT_CAPABILITY_KIND_STRICTER,
                     "it was of kind %s, is %s", capability_kind_name(old->kind),
                     capability_kind_name(new->kind));
    else if (old->idempotent && !new->idempotent)
        compare_note(c, CONTRACT_IDEMPOTENCE_LOST, "it was idempotent, is not");
    if (!old->idempotent && new->idempotent)
        compare_note(c, CONTRACT_IDEMPOTENCE_GAINED, "it is idempotent now");
    if (!old->deprecated.len && new->deprecated.len)
        compare_note(c, CONTRACT_CAPABILITY_DEPRECATED, "it is deprecated: %.*s",
                     TEXT_ARGS(new->deprecated));
    if (old->expose_mcp && !new->expose_mcp)
        compare_note(c, CONTRACT_MCP_REMOVED, "it was offered as a tool, is not");
    if (!old->expose_mcp && new->expose_mcp)
        compare_note(c, CONTRACT_MCP_ADDED, "it is offered as a tool now");
}

/* A newer version of the capability may take its route over, as it takes its name. */
static const struct capability *heir_of_route(const struct plugin_definition *plugin,
                                              const struct capability *old)
{
    for (size_t i = 0; i < plugin->capability_count; i++) {
        const struct capability *c = &plugin->capabilities[i];
        if (text_equal(c->name, old->name) && c->version > old->version &&
            text_equal(c->method, old->method) && text_equal(c->path, old->path))
            return c;
    }
    return NULL;
}

static void note_lost_route(struct comparison *c, const struct plugin_definition *plugin,
                            const struct capability *old)
{
    const struct capability *heir = heir_of_route(plugin, old);
    if (heir)
        compare_note(c, CONTRACT_ROUTE_MEANS_NEWER, "'%.*s %.*s' means '%.*s' now",
                     TEXT_ARGS(old->method), TEXT_ARGS(old->path), TEXT_ARGS(heir->key));
    else
        compare_note(c, CONTRACT_ROUTE_REMOVED, "'%.*s %.*s' is gone", TEXT_ARGS(old->method),
                     TEXT_ARGS(old->path));
}

static void compare_routes(struct comparison *c, const struct plugin_definition *plugin,
                           const struct capability *old, const struct capability *new)
{
    set_place(c, "http", TEXT(""));
    bool same = text_equal(old->method, new->method) && text_equal(old->path, new->path);
    if (!old->path.len && new->path.len)
        compare_note(c, CONTRACT_ROUTE_ADDED, "'%.*s %.*s' is new", TEXT_ARGS(new->method),
                     TEXT_ARGS(new->path));
    else if (old->path.len && (!new->path.len || (!same && heir_of_route(plugin, old))))
        note_lost_route(c, plugin, old);
    else if (!same)
        compare_note(c, CONTRACT_ROUTE_CHANGED, "was '%.*s %.*s', is '%.*s %.*s'",
                     TEXT_ARGS(old->method), TEXT_ARGS(old->path), TEXT_ARGS(new->method),
                     TEXT_ARGS(new->path));
}

static void compare_errors(struct comparison *c, const struct capability *old,
                           const struct capability *new)
{
    for (size_t i = 0; i < old->error_count; i++) {
        const struct declared_error *was = &old->errors[i];
        const struct declared_error *is = capability_error(new, was->code);
        set_place(c, "errors", was->code);
        if (!is)
            compare_note(c, CONTRACT_ERROR_REMOVED, "the error is gone");
        else if (was->status != is->status)
            compare_note(c, CONTRACT_ERROR_STATUS_CHANGED, "status was %d, is %d", was->status,
                         is->status);
    }
    for (size_t i = 0; i < new->error_count; i++) {
        const struct declared_error *is = &new->errors[i];
        set_place(c, "errors", is->code);
        if (!capability_error(old, is->code))
            compare_note(c, CONTRACT_ERROR_ADDED, "the error is new, with status %d", is->status);
    }
}

static bool has_header(const struct capability *c, const struct capability_header *wanted)
{
    for (size_t i = 0; i < c->header_count; i++)
        if (text_equal(c->headers[i].member, wanted->member) &&
            text_equal_nocase(c->headers[i].header, wanted->header))
            return true;
    return false;
}

static void compare_headers(struct comparison *c, const struct capability *old,
                            const struct capability *new)
{
    for (size_t i = 0; i < old->header_count; i++) {
        set_place(c, "headers", old->headers[i].member);
        if (!has_header(new, &old->headers[i]))
            compare_note(c, CONTRACT_HEADER_REMOVED, "the header '%.*s' is not read any more",
                         TEXT_ARGS(old->headers[i].header));
    }
    for (size_t i = 0; i < new->header_count; i++) {
        set_place(c, "headers", new->headers[i].member);
        if (!has_header(old, &new->headers[i]))
            compare_note(c, CONTRACT_HEADER_ADDED, "the header '%.*s' is read now",
                         TEXT_ARGS(new->headers[i].header));
    }
}

static void compare_outputs(struct comparison *c, const struct capability *old,
                            const struct capability *new)
{
    set_place(c, "output", TEXT(""));
    if (old->output && new->output)
        compare_contract(c, "output", true, old->output, new->output);
    else if (old->output)
        compare_note(c, CONTRACT_OUTPUT_REMOVED, "it answers nothing any more");
    else if (new->output)
        compare_note(c, CONTRACT_OUTPUT_ADDED, "it answers with an output now");
}

static void compare_capability(struct comparison *c, const struct plugin_definition *plugin,
                               const struct capability *old, const struct capability *new)
{
    enter_capability(c, new);
    compare_promises(c, old, new);
    compare_routes(c, plugin, old, new);
    compare_contract(c, "input", false, old->input, new->input);
    compare_outputs(c, old, new);
    compare_errors(c, old, new);
    compare_headers(c, old, new);
}

static void note_new_capability(struct comparison *c, const struct plugin_definition *old,
                                const struct plugin_definition *plugin,
                                const struct capability *new)
{
    const struct capability *before = plugin_capability(old, new->name);
    enter_capability(c, new);
    compare_note(c, CONTRACT_CAPABILITY_ADDED, "the %s is new", capability_kind_name(new->kind));
    if (before && before->version < new->version &&capability_is_newest(plugin, new))
        compare_note(c, CONTRACT_UNVERSIONED_MEANS_NEWER,
                     "a call without a version meant '%.*s', means '%.*s'", TEXT_ARGS(before->key),
                     TEXT_ARGS(new->key));
}

static void note_lost_capability(struct comparison *c, const struct plugin_definition *plugin,
                                 const struct capability *old)
{
    enter_capability(c, old);
    compare_note(c, CONTRACT_CAPABILITY_REMOVED, "the %s is gone", capability_kind_name(old->kind));
    if (old->path.len) {
        set_place(c, "http", TEXT(""));
        note_lost_route(c, plugin, old);
    }
}

static int64_t major_of(const struct plugin_definition *plugin)
{
    struct text rest = plugin->version, major;
    int64_t number = 0;
    if (text_split(&rest, '.', &major))
        text_to_int64(major, &number);
    return number;
}

int contract_compare(struct contract_changes *out, struct arena *arena,
                     const struct plugin_definition *old, const struct plugin_definition *new,
                     struct pn_error *err)
{
    struct comparison c = {.arena = arena,
                           .out = out,
                           .last = &out->first,
                           .major_is_new = major_of(new) > major_of(old)};
    *out = (struct contract_changes){.count = 0};
    for (size_t i = 0; i < new->capability_count; i++) {
        const struct capability *is = &new->capabilities[i], *was = same_version(old, is);
        if (was)
            compare_capability(&c, new, was, is);
        else
            note_new_capability(&c, old, new, is);
    }
    for (size_t i = 0; i < old->capability_count; i++)
        if (!same_version(new, &old->capabilities[i]))
            note_lost_capability(&c, new, &old->capabilities[i]);
    bool failed = c.failed || c.place.failed;
    buffer_release(&c.place);
    return failed ? pn_error_set(err, PN_ENOMEM, "out of memory") : 0;
}
