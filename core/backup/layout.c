#include "backup/layout.h"

#include "backup/digest.h"
#include "contract/capability.h"
#include "release/usage.h"

static bool cut(struct text *t, struct text before, struct text after)
{
    if (t->len < before.len + after.len || !text_starts_with(*t, before) ||
        !text_ends_with(*t, after))
        return false;
    *t = (struct text){t->data + before.len, t->len - before.len - after.len};
    return true;
}

bool layout_is_bundle(struct text name)
{
    return cut(&name, TEXT(LAYOUT_BUNDLES "/"), TEXT(".bundle")) && digest_is_valid(name);
}

bool layout_plugin_of(struct text file, struct text *plugin)
{
    *plugin = file;
    return cut(plugin, TEXT(""), TEXT(".db")) && plugin_name_is_valid(*plugin);
}

bool layout_is_database(struct text name)
{
    struct text plugin;
    return text_equal(name, TEXT(LAYOUT_REGISTRY)) ||
           (cut(&name, TEXT(LAYOUT_DATABASES "/"), TEXT("")) && layout_plugin_of(name, &plugin));
}

bool layout_keeps(struct text name)
{
    return text_equal(name, TEXT(LAYOUT_ACTIVE)) || text_equal(name, TEXT(LAYOUT_CONFIG)) ||
           text_equal(name, TEXT(USAGE_FILE)) || layout_is_bundle(name) || layout_is_database(name);
}

const char *layout_reason(const char *message, const char *path)
{
    size_t len = strlen(path);
    bool named = strncmp(message, path, len) == 0 && strncmp(message + len, ": ", 2) == 0;
    return named ? message + len + 2 : message;
}
