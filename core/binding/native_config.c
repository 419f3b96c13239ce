#include "binding/native_config.h"

#include "binding/binding.h"
#include "contract/capability.h"

/* What ctx has, or is going to have, of its own. */
static bool is_taken(struct text name)
{
    static const char *const others[] = {"fail",     "call",     "config", "secrets",
                                         "request",  "trace_id", "events", "generation",
                                         "identity", "caller",   "jobs",   "deadline"};
    for (const struct binding *const *b = bindings; *b; b++)
        if (text_equal(name, text_of((*b)->name)))
            return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (text_equal(name, text_of(others[i])))
            return true;
    return false;
}

static int read_field(struct native_config *c, const struct json_member *field)
{
    enum json_kind kind = field->value.kind;
    if (text_equal(field->name, TEXT("path")) && kind == JSON_KIND_STRING)
        c->path = field->value.string;
    else if (text_equal(field->name, TEXT("config")) && kind == JSON_KIND_OBJECT)
        c->config = &field->value;
    else if (text_equal(field->name, TEXT("network")) && kind == JSON_KIND_BOOLEAN)
        c->network = field->value.boolean;
    else
        return PN_EINVAL;
    return 0;
}

static int read_fields(struct native_config *c, const struct json_value *object,
                       struct pn_error *err)
{
    for (size_t i = 0; i < object->object.count; i++) {
        const struct json_member *field = &object->object.members[i];
        if (read_field(c, field) != 0)
            return pn_error_set(err, PN_EINVAL,
                                "'bindings.%s.%.*s': a binding has a 'path' (a string), and may "
                                "have a 'config' (an object) and 'network' (true or false)",
                                c->name.data, (int)(field->name.len > 40 ? 40 : field->name.len),
                                field->name.data);
    }
    if (!c->path.data || memchr(c->path.data, 0, c->path.len) ||
        !memchr(c->path.data, '/', c->path.len))
        return pn_error_set(err, PN_EINVAL,
                            "'bindings.%s.path' must be the path of a shared object, with a '/'",
                            c->name.data);
    return 0;
}

/* A tree's texts are not terminated: these are copied, as dlopen and messages want them. */
static int read_one(struct native_configs *all, const struct json_member *m, struct pn_error *err)
{
    struct native_config *c = &all->list[all->count];
    c->network = true;
    if (!plugin_name_is_valid(m->name))
        return pn_error_set(err, PN_EINVAL,
                            "'bindings': a name is a lower-case letter, then letters, digits and "
                            "'_', got '%.*s'",
                            (int)(m->name.len > 40 ? 40 : m->name.len), m->name.data);
    c->name = arena_text(&all->arena, m->name);
    if (!c->name.data)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    if (is_taken(c->name))
        return pn_error_set(err, PN_EINVAL, "'bindings.%s': ctx.%s is the host's own", c->name.data,
                            c->name.data);
    if (m->value.kind != JSON_KIND_OBJECT)
        return pn_error_set(err, PN_EINVAL, "'bindings.%s' must be an object", c->name.data);
    int rc = read_fields(c, &m->value, err);
    if (rc != 0)
        return rc;
    c->path = arena_text(&all->arena, c->path);
    return c->path.data ? 0 : pn_error_set(err, PN_ENOMEM, "out of memory");
}

int native_configs_read(struct native_configs *out, struct text text, struct pn_error *err)
{
    const struct json_value *all;
    native_configs_release(out);
    struct text copy = arena_text(&out->arena, text);
    if (!copy.data)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    int rc = json_tree_parse(&all, &out->arena, copy, err);
    if (rc != 0)
        return rc;
    if (all->kind != JSON_KIND_OBJECT || all->object.count > NATIVES_MAX)
        return pn_error_set(err, PN_EINVAL, "'bindings' must be an object of at most %d bindings",
                            NATIVES_MAX);
    out->list = arena_alloc(&out->arena, (all->object.count + 1) * sizeof *out->list);
    if (!out->list)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    for (; rc == 0 && out->count < all->object.count; out->count++)
        rc = read_one(out, &all->object.members[out->count], err);
    return rc;
}

void native_configs_release(struct native_configs *c)
{
    arena_release(&c->arena);
    *c = (struct native_configs){.count = 0};
}

bool native_configs_have(const struct native_configs *c, struct text name)
{
    for (size_t i = 0; i < c->count; i++)
        if (text_equal(c->list[i].name, name))
            return true;
    return false;
}

bool native_configs_need_network(const struct native_configs *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].network)
            return true;
    return false;
}
