/*
 * References: what each "$ref" leads to, once all names of the document are known; and that none
 * leads back to itself before the value was entered, as that check would never end.
 *
 * A reference may lead to a place that is no known keyword's schema; that becomes a node then.
 */
#include "contract/schema/compiler.h"
#include "contract/schema/uri.h"

struct walk {
    const struct json_value *value;
    const struct contract_path *path;
    struct text base; /* of the innermost schema around */
};

/* "~1" is '/', "~0" is '~'; false for any other '~'. */
static bool unescape(struct text token, char *out, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < token.len; i++) {
        char ch = token.data[i];
        if (ch == '~') {
            if (++i == token.len || (token.data[i] != '0' && token.data[i] != '1'))
                return false;
            ch = token.data[i] == '0' ? '~' : '/';
        }
        out[(*len)++] = ch;
    }
    return true;
}

static const struct json_value *child_of(const struct json_value *value, struct text name,
                                         struct contract_path *at)
{
    int64_t index;
    if (value->kind == JSON_KIND_OBJECT) {
        const struct json_member *member = json_value_member(value, name);
        if (member)
            at->name = member->name;
        return member ? &member->value : NULL;
    }
    bool canonical = name.len == 1 || (name.len > 1 && name.data[0] != '0');
    if (value->kind != JSON_KIND_ARRAY || !canonical || !text_to_int64(name, &index) || index < 0 ||
        (size_t)index >= value->array.count)
        return NULL;
    at->index = (size_t)index;
    return &value->array.items[index];
}

static int refuse_lost(struct schema_compiler *c, const struct schema_reference *r)
{
    return schema_refuse(c, PN_EINVAL, &r->path, "there is nothing at '%.*s'", TEXT_ARGS(r->uri));
}

static int step(struct schema_compiler *c, const struct schema_reference *r, struct text token,
                struct walk *w)
{
    int code = 0;
    char name[SCHEMA_URI_MAX];
    size_t len;
    struct contract_path *at = schema_alloc(c, sizeof *at, &code);
    if (!at)
        return code;
    at->up = w->path;
    w->value =
        unescape(token, name, &len) ? child_of(w->value, (struct text){name, len}, at) : NULL;
    if (!w->value)
        return refuse_lost(c, r);
    w->path = at;
    const struct schema_node *node = schema_node_find(c, w->value);
    if (node)
        w->base = node->base;
    return 0;
}

static int walk_pointer(struct schema_compiler *c, const struct schema_reference *r,
                        struct text pointer, struct walk *w)
{
    int code = 0;
    struct text token;
    if (!text_split(&pointer, '/', &token))
        return 0;
    while (code == 0 && text_split(&pointer, '/', &token))
        code = step(c, r, token, w);
    return code;
}

static int find_by_pointer(struct schema_compiler *c, const struct schema_reference *r,
                           const struct schema_node *root, struct text pointer,
                           const struct schema_node **out)
{
    struct walk w = {root->source, &root->path, root->base};
    int code = walk_pointer(c, r, pointer, &w);
    return code == 0 ? schema_node_of(c, w.value, w.path, w.base, out) : code;
}

static int refuse_remote(struct schema_compiler *c, const struct schema_reference *r)
{
    return schema_refuse(c, PN_EINVAL, &r->path,
                         "'%.*s' is not in this document, and nothing is fetched",
                         TEXT_ARGS(r->uri));
}

static int follow(struct schema_compiler *c, struct schema_reference *r, struct buffer *scratch)
{
    struct text fragment, uri = schema_uri_split(r->uri, &fragment);
    const struct schema_node *root = map_get(&c->names, uri);
    if (!root)
        return refuse_remote(c, r);
    buffer_clear(scratch);
    if (!schema_uri_decode(fragment, scratch))
        return refuse_lost(c, r);
    if (scratch->failed)
        return pn_error_set(c->err, PN_ENOMEM, "%s", pn_error_text(PN_ENOMEM));
    struct text decoded = buffer_text(scratch);
    if (decoded.len == 0 || decoded.data[0] == '/')
        return find_by_pointer(c, r, root, decoded, &r->from->reference);
    r->from->reference = map_get(&c->names, r->uri);
    return r->from->reference ? 0 : refuse_lost(c, r);
}

int schema_follow_references(struct schema_compiler *c)
{
    int code = 0;
    struct buffer scratch = BUFFER_INIT;
    /* Following one may add others at the end. */
    for (struct schema_reference *r = c->references; code == 0 && r; r = r->next)
        code = follow(c, r, &scratch);
    buffer_release(&scratch);
    return code;
}

enum { MEASURING = SCHEMA_CHAIN_MAX + 1 };

static int measure(struct schema_compiler *c, const struct schema_node *to, size_t above,
                   size_t *longest);

static int measure_list(struct schema_compiler *c, const struct schema_list *list, size_t above,
                        size_t *longest)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < list->count; i++)
        code = measure(c, list->nodes[i], above, longest);
    return code;
}

static int measure_logic(struct schema_compiler *c, const struct schema_logic *l, size_t above,
                         size_t *longest)
{
    int code = measure_list(c, &l->all, above, longest);
    if (code == 0)
        code = measure_list(c, &l->any, above, longest);
    if (code == 0)
        code = measure_list(c, &l->one, above, longest);
    const struct schema_node *const single[] = {l->not, l->when, l->when ? l->then : NULL,
                                                l->when ? l->otherwise : NULL};
    for (size_t i = 0; code == 0 && i < 4; i++)
        code = measure(c, single[i], above, longest);
    return code;
}

static int measure_below(struct schema_compiler *c, struct schema_node *node, size_t above)
{
    size_t longest = 0;
    int code = measure(c, node->reference, above, &longest);
    if (code == 0 && node->logic)
        code = measure_logic(c, node->logic, above, &longest);
    for (size_t i = 0; code == 0 && node->objects && i < node->objects->dependent_schemas.count;
         i++)
        code = measure(c, node->objects->dependent_schemas.entries[i].node, above, &longest);
    node->chain = longest + 1;
    return code;
}

/* How many schemas from `to` on see the same value, `above` being in front of it. */
static int measure(struct schema_compiler *c, const struct schema_node *to, size_t above,
                   size_t *longest)
{
    int code = 0;
    if (!to)
        return 0;
    struct schema_node *node = schema_node_find(c, to->source);
    if (node->chain == MEASURING)
        return schema_refuse(c, PN_EINVAL, &node->path,
                             "the schema refers to itself without going into the value");
    if (node->chain == 0 && above < SCHEMA_CHAIN_MAX) {
        node->chain = MEASURING;
        code = measure_below(c, node, above + 1);
    }
    if (code == 0 && above + node->chain >= SCHEMA_CHAIN_MAX)
        code = schema_refuse(c, PN_ELIMIT, &node->path,
                             "more than %d schemas look at one value on behalf of each other",
                             SCHEMA_CHAIN_MAX);
    if (node->chain > *longest)
        *longest = node->chain;
    return code;
}

int schema_refuse_circles(struct schema_compiler *c)
{
    int code = 0;
    size_t longest = 0;
    for (struct schema_node *node = c->first; code == 0 && node; node = node->next)
        code = measure(c, node, 0, &longest);
    return code;
}
