#include "contract/capability.h"

static const char *const kinds[] = {"query", "command", "action"};
static const char *const layers[] = {"record", "differentiation", "innovation"};

const char *capability_kind_name(enum capability_kind kind)
{
    return kinds[kind];
}

bool plugin_layer_parse(struct text name, enum plugin_layer *out)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        if (!text_equal(name, text_of(layers[i])))
            continue;
        *out = (enum plugin_layer)i;
        return true;
    }
    return false;
}

const char *plugin_layer_name(enum plugin_layer layer)
{
    return layers[layer];
}

bool plugin_name_is_valid(struct text name)
{
    if (name.len == 0 || name.len > 64 || name.data[0] < 'a' || name.data[0] > 'z')
        return false;
    for (size_t i = 1; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

bool plugin_version_is_valid(struct text version)
{
    struct text rest = version, part;
    int parts = 0;
    while (text_split(&rest, '.', &part)) {
        int64_t number;
        if (part.len > 9 || !text_to_int64(part, &number) || part.data[0] == '-' ||
            (part.len > 1 && part.data[0] == '0'))
            return false;
        parts++;
    }
    return parts == 3;
}

bool plugin_needs(const struct plugin_definition *plugin, struct text first_word)
{
    for (size_t i = 0; i < plugin->need_count; i++) {
        struct text rest = plugin->needs[i], word;
        if (text_split(&rest, ' ', &word) && text_equal(word, first_word))
            return true;
    }
    return false;
}

/* "secret stripe_key": the word, and what follows it. */
static bool is_need_of(struct text need, struct text wanted, struct text *name)
{
    struct text rest = need, word;
    if (!text_split(&rest, ' ', &word) || !text_equal(word, wanted) || !rest.data)
        return false;
    *name = rest;
    return true;
}

bool plugin_need_secret(struct text need, struct text *name)
{
    return is_need_of(need, TEXT("secret"), name);
}

bool plugin_need_binding(struct text need, struct text *name)
{
    return is_need_of(need, TEXT("binding"), name);
}

const struct capability *plugin_capability(const struct plugin_definition *plugin, struct text name)
{
    struct text version = name, plain;
    int64_t wanted = 0;
    text_split(&version, '@', &plain);
    if (version.data && (!text_to_int64(version, &wanted) || wanted < 1))
        return NULL;
    const struct capability *found = NULL;
    for (size_t i = 0; i < plugin->capability_count; i++) {
        const struct capability *c = &plugin->capabilities[i];
        if (!text_equal(c->name, plain) || (wanted && c->version != wanted))
            continue;
        if (!found || c->version > found->version)
            found = c;
    }
    return found;
}

bool capability_is_newest(const struct plugin_definition *plugin, const struct capability *c)
{
    return plugin_capability(plugin, c->name) == c;
}

const struct declared_error *capability_error(const struct capability *c, struct text code)
{
    for (size_t i = 0; i < c->error_count; i++)
        if (text_equal(c->errors[i].code, code))
            return &c->errors[i];
    return NULL;
}
