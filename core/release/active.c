#include "release/active.h"

#include "base/file.h"
#include "json/reader.h"
#include "json/writer.h"

#include <stdio.h>
#include <stdlib.h>

enum { ACTIVE_BYTES_MAX = 4 * 1024 * 1024 };

void active_init(struct active *a)
{
    *a = (struct active){NULL, 0};
}

void active_release(struct active *a)
{
    free(a->entries);
    active_init(a);
}

struct active_entry *active_find(const struct active *a, struct text plugin)
{
    for (size_t i = 0; i < a->count; i++)
        if (text_equal(text_of(a->entries[i].spec.plugin), plugin))
            return &a->entries[i];
    return NULL;
}

struct active_entry *active_entry(struct active *a, struct text plugin)
{
    struct active_entry *found = active_find(a, plugin);
    if (found)
        return found;
    struct active_entry *entries = realloc(a->entries, (a->count + 1) * sizeof *entries);
    if (!entries)
        return NULL;
    a->entries = entries;
    struct active_entry *entry = &entries[a->count++];
    *entry = (struct active_entry){.retired = true};
    snprintf(entry->spec.plugin, sizeof entry->spec.plugin, "%.*s", TEXT_ARGS(plugin));
    return entry;
}

static bool copy_string(struct json_reader *r, char *out, size_t size)
{
    if (json_reader_next(r) != JSON_STRING || r->text.len >= size)
        return false;
    memcpy(out, r->text.data, r->text.len);
    out[r->text.len] = 0;
    return true;
}

static bool read_member(struct json_reader *r, struct active_entry *e)
{
    struct text name = r->text;
    if (text_equal(name, TEXT("plugin")))
        return copy_string(r, e->spec.plugin, sizeof e->spec.plugin);
    if (text_equal(name, TEXT("version")))
        return copy_string(r, e->version, sizeof e->version);
    if (text_equal(name, TEXT("hash")))
        return copy_string(r, e->spec.hash, sizeof e->spec.hash);
    if (text_equal(name, TEXT("migrations")))
        return copy_string(r, e->migrations, sizeof e->migrations);
    if (text_equal(name, TEXT("previous_version")))
        return copy_string(r, e->previous_version, sizeof e->previous_version);
    if (text_equal(name, TEXT("previous_hash")))
        return copy_string(r, e->previous_hash, sizeof e->previous_hash);
    /* The name is gone with the next token. */
    bool number = text_equal(name, TEXT("generation")), retired = text_equal(name, TEXT("retired"));
    enum json_token token = json_reader_next(r);
    if (number) {
        e->spec.number = r->integer;
        /* The bus carries 32 bits, and one more is to come. */
        return token == JSON_INTEGER && r->integer > 0 && r->integer < UINT32_MAX;
    }
    e->retired = token == JSON_TRUE;
    return retired && (token == JSON_TRUE || token == JSON_FALSE);
}

static bool read_entry(struct json_reader *r, struct active *a)
{
    struct active_entry e = {.retired = false};
    enum json_token token;
    while ((token = json_reader_next(r)) == JSON_KEY)
        if (!read_member(r, &e))
            return false;
    if (token != JSON_OBJECT_END || !plugin_name_is_valid(text_of(e.spec.plugin)) ||
        strlen(e.spec.hash) != 64 || (e.previous_hash[0] && strlen(e.previous_hash) != 64))
        return false;
    struct active_entry *entry = active_entry(a, text_of(e.spec.plugin));
    if (entry)
        *entry = e;
    return entry != NULL;
}

/* {"plugins":[{…},…]} */
static bool read_all(struct json_reader *r, struct active *a)
{
    if (json_reader_next(r) != JSON_OBJECT_BEGIN || json_reader_next(r) != JSON_KEY ||
        !text_equal(r->text, TEXT("plugins")) || json_reader_next(r) != JSON_ARRAY_BEGIN)
        return false;
    enum json_token token;
    while ((token = json_reader_next(r)) == JSON_OBJECT_BEGIN)
        if (!read_entry(r, a))
            return false;
    return token == JSON_ARRAY_END && json_reader_next(r) == JSON_OBJECT_END &&
           json_reader_next(r) == JSON_END;
}

int active_read(struct active *a, const char *path, struct pn_error *err)
{
    struct buffer text = BUFFER_INIT, scratch = BUFFER_INIT;
    int rc = file_read(path, ACTIVE_BYTES_MAX, &text, err);
    if (rc == 0) {
        struct json_reader r;
        json_reader_init(&r, buffer_text(&text), &scratch);
        if (!read_all(&r, a)) {
            size_t line, column;
            json_reader_place(&r, r.offset, &line, &column);
            active_release(a);
            rc = pn_error_set(err, PN_EINVAL, "'%s' is damaged at line %zu, column %zu", path, line,
                              column);
        }
    } else if (rc == PN_ENOTFOUND) {
        rc = 0;
    }
    buffer_release(&scratch);
    buffer_release(&text);
    return rc;
}

static void write_entry(struct buffer *out, const struct active_entry *e)
{
    bool first = true;
    buffer_append_string(out, "\n {");
    json_write_string_member(out, &first, TEXT("plugin"), text_of(e->spec.plugin));
    json_write_string_member(out, &first, TEXT("version"), text_of(e->version));
    json_write_integer_member(out, &first, TEXT("generation"), e->spec.number);
    json_write_string_member(out, &first, TEXT("hash"), text_of(e->spec.hash));
    json_write_string_member(out, &first, TEXT("migrations"), text_of(e->migrations));
    if (e->previous_hash[0]) {
        json_write_string_member(out, &first, TEXT("previous_version"),
                                 text_of(e->previous_version));
        json_write_string_member(out, &first, TEXT("previous_hash"), text_of(e->previous_hash));
    }
    json_write_bool_member(out, &first, TEXT("retired"), e->retired);
    buffer_append_char(out, '}');
}

int active_write(const struct active *a, const char *path, bool durable, struct pn_error *err)
{
    struct buffer out = BUFFER_INIT;
    buffer_append_string(&out, "{\"plugins\":[");
    for (size_t i = 0; i < a->count; i++) {
        if (i)
            buffer_append_char(&out, ',');
        write_entry(&out, &a->entries[i]);
    }
    buffer_append_string(&out, "\n]}\n");
    int rc = out.failed ? pn_error_set(err, PN_ENOMEM, "out of memory")
                        : file_write(path, buffer_text(&out), durable, err);
    buffer_release(&out);
    return rc;
}
