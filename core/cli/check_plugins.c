/*
 * What is seen in the plugins' files and definitions.
 */
#include "cli/check.h"

#include "http/router.h"

#include <stdio.h>

static void note_reason(struct check *c, const struct inspected *one, struct text message)
{
    struct text reason;
    struct check_place place = check_place_of(c, one, message, &reason);
    check_note(c, CHECK_ERROR, "load", place, "%.*s", TEXT_ARGS(reason));
}

void look_at_loading(struct check *c)
{
    for (size_t i = 0; i < c->plugins.count; i++) {
        const struct inspected *one = &c->plugins.list[i];
        for (const struct inspected_problem *p = one->problems; p; p = p->next)
            note_reason(c, one, text_of(p->err.message));
        if (!one->generation && !one->problems)
            note_reason(c, one, text_of(one->err.message));
    }
}

static bool is_word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_';
}

/* The line where `word` stands in Lua code, 0: nowhere. Comments to the end of a line are left out. */
static size_t find_word(struct text code, const char *word)
{
    struct text rest = code, line;
    size_t len = strlen(word);
    for (size_t number = 1; text_split(&rest, '\n', &line); number++)
        for (size_t i = 0; i + len <= line.len; i++) {
            if (strncmp(line.data + i, "--", 2) == 0)
                break;
            if (memcmp(line.data + i, word, len) == 0 &&
                (i + len == line.len || !is_word(line.data[i + len])))
                return number;
        }
    return 0;
}

static bool is_lua(const struct bundle_file *file)
{
    return text_ends_with(file->path, TEXT(".lua"));
}

/* Where a plugin's code has the word: the line, and the file. */
static size_t find_in_code(const struct bundle *b, const char *word, struct text *file)
{
    for (size_t i = 0; i < b->count; i++) {
        size_t line = is_lua(&b->files[i]) ? find_word(b->files[i].content, word) : 0;
        if (!line)
            continue;
        *file = b->files[i].path;
        return line;
    }
    return 0;
}

static void look_at_need(struct check *c, const struct inspected *one, const char *binding)
{
    char word[64];
    struct text file;
    bool named = plugin_needs(&one->generation->definition, text_of(binding));
    /* `local db = ctx.db` is one way to reach it, `call.db` another. */
    snprintf(word, sizeof word, named ? ".%s" : "ctx.%s", binding);
    size_t line = find_in_code(&one->generation->bundle, word, &file);
    if (named && !line)
        check_note(c, CHECK_WARNING, "needs", check_place(c, one, TEXT("init.lua"), 0),
                   "\"%s\" is named in needs, and nothing uses ctx.%s", binding, binding);
    if (!named && line)
        check_note(c, CHECK_WARNING, "needs", check_place(c, one, file, line),
                   "ctx.%s is used, but \"%s\" is not named in needs", binding, binding);
}

void look_at_needs(struct check *c)
{
    for (size_t i = 0; i < c->plugins.count; i++)
        for (const struct binding *const *b = bindings; *b; b++)
            if (c->plugins.list[i].generation && !(*b)->ambient)
                look_at_need(c, &c->plugins.list[i], (*b)->name);
}

static void note_route(struct check *c, const struct inspected *one, const struct capability *new,
                       const struct capability *earlier, const struct pn_error *err)
{
    struct text reason;
    char at[FILE_PATH_MAX + 32];
    snprintf(at, sizeof at, "%.*s: ", TEXT_ARGS(new->where));
    struct check_place place = check_place_of(c, one, text_of(at), &reason);
    if (earlier)
        check_note(c, CHECK_ERROR, "routes", place,
                   "route '%.*s %.*s' of '%.*s' is already claimed by '%.*s' at %.*s",
                   TEXT_ARGS(new->method), TEXT_ARGS(new->path), TEXT_ARGS(new->key),
                   TEXT_ARGS(earlier->key), TEXT_ARGS(earlier->where));
    else
        check_note(c, CHECK_ERROR, "routes", place, "'%.*s': %s", TEXT_ARGS(new->key),
                   err->message);
}

static void add_routes(struct check *c, struct router *router, const struct inspected *one)
{
    const struct plugin_definition *d = &one->generation->definition;
    for (size_t i = 0; i < d->capability_count; i++) {
        struct capability *new = &d->capabilities[i];
        void *earlier = NULL;
        struct pn_error err;
        if (!new->path.len)
            continue;
        int rc = router_add(router, http_method_parse(new->method), new->path, new, &earlier, &err);
        c->failed = c->failed || rc == PN_ENOMEM;
        if (rc != 0)
            note_route(c, one, new, rc == PN_EEXIST ? earlier : NULL, &err);
    }
}

/* Two directories cannot both be served as one plugin. */
static void look_at_name(struct check *c, size_t index)
{
    const struct inspected *one = &c->plugins.list[index];
    for (size_t i = 0; i < index; i++) {
        const struct inspected *other = &c->plugins.list[i];
        if (other->generation &&
            text_equal(other->generation->definition.name, one->generation->definition.name))
            check_note(c, CHECK_ERROR, "load", check_place(c, one, TEXT("init.lua"), 0),
                       "plugin '%.*s' is already in '%s'",
                       TEXT_ARGS(one->generation->definition.name), other->directory);
    }
}

void look_at_routes(struct check *c)
{
    struct router *router = router_new();
    c->failed = c->failed || !router;
    for (size_t i = 0; router && i < c->plugins.count; i++) {
        if (!c->plugins.list[i].generation)
            continue;
        look_at_name(c, i);
        add_routes(c, router, &c->plugins.list[i]);
    }
    router_free(router);
}

/* "lib/money.lua" → "lib.money", as require names it; other files by their path. */
static void name_of_file(struct text path, char out[BUNDLE_PATH_MAX + 1])
{
    bool lua = text_ends_with(path, TEXT(".lua"));
    size_t len = lua ? path.len - 4 : path.len;
    snprintf(out, BUNDLE_PATH_MAX + 1, "%.*s", (int)len, path.data);
    for (char *s = out; lua && *s; s++)
        if (*s == '/')
            *s = '.';
}

/* Whether some code has the name as a string of its own. */
static bool is_named(const struct bundle *b, const char *name)
{
    char quoted[BUNDLE_PATH_MAX + 4];
    struct text file;
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    if (find_in_code(b, quoted, &file))
        return true;
    snprintf(quoted, sizeof quoted, "'%s'", name);
    return find_in_code(b, quoted, &file) != 0;
}

static void look_at_file(struct check *c, const struct inspected *one, const struct bundle *b,
                         const struct bundle_file *file)
{
    char name[BUNDLE_PATH_MAX + 1];
    bool migration = text_starts_with(file->path, TEXT("migrations/"));
    bool sql = text_ends_with(file->path, TEXT(".sql"));
    if (text_equal(file->path, TEXT("init.lua")) || text_ends_with(file->path, TEXT(".md")) ||
        (sql && migration))
        return;
    name_of_file(file->path, name);
    if (sql)
        check_note(c, CHECK_WARNING, "unused", check_place(c, one, file->path, 0),
                   "it is not in migrations/, so it is never applied");
    else if (!is_named(b, name))
        check_note(c, CHECK_WARNING, "unused", check_place(c, one, file->path, 0),
                   is_lua(file) ? "nothing requires '%s'" : "no code names '%s'", name);
}

void look_at_unused_files(struct check *c)
{
    for (size_t i = 0; i < c->plugins.count; i++) {
        const struct inspected *one = &c->plugins.list[i];
        struct bundle bundle;
        if (!check_bundle(one, &bundle))
            continue;
        for (size_t j = 0; j < bundle.count; j++)
            look_at_file(c, one, &bundle, &bundle.files[j]);
        check_bundle_release(one, &bundle);
    }
}
