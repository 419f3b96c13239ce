#include "backup/manifest.h"

#include "backup/layout.h"
#include "json/tree.h"
#include "json/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define FORMAT_NAME "pinion backup"

static const int64_t created_max = INT64_C(253402300799); /* the end of the year 9999 */

void manifest_release(struct manifest *m)
{
    free(m->members);
    m->members = NULL;
    m->count = 0;
}

int manifest_add(struct manifest *m, const char *name, int64_t bytes, struct pn_error *err)
{
    if (m->count == MANIFEST_MEMBERS_MAX)
        return pn_error_set(err, PN_ELIMIT, "more than %d files", MANIFEST_MEMBERS_MAX);
    if (m->count % 64 == 0) {
        struct manifest_member *grown = realloc(m->members, (m->count + 64) * sizeof *grown);
        if (!grown)
            return pn_error_set(err, PN_ENOMEM, "out of memory");
        m->members = grown;
    }
    struct manifest_member *one = &m->members[m->count++];
    *one = (struct manifest_member){.bytes = bytes};
    snprintf(one->name, sizeof one->name, "%s", name);
    memset(one->sha256, '0', DIGEST_SIZE - 1);
    return 0;
}

static void write_member(struct buffer *out, const struct manifest_member *one)
{
    bool first = true;
    buffer_append_string(out, "\n {");
    json_write_string_member(out, &first, TEXT("name"), text_of(one->name));
    json_write_integer_member(out, &first, TEXT("bytes"), one->bytes);
    json_write_string_member(out, &first, TEXT("sha256"), text_of(one->sha256));
    buffer_append_char(out, '}');
}

int manifest_write(const struct manifest *m, struct buffer *out, struct pn_error *err)
{
    bool first = true, inner = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("format"), TEXT(FORMAT_NAME));
    json_write_integer_member(out, &first, TEXT("version"), MANIFEST_FORMAT);
    json_write_string_member(out, &first, TEXT("host"), text_of(m->host));
    json_write_integer_member(out, &first, TEXT("created"), m->created);
    json_write_integer_member(out, &first, TEXT("apart_us"), m->apart_us);
    json_write_bool_member(out, &first, TEXT("exact"), m->exact);
    json_write_bool_member(out, &first, TEXT("thorough"), m->thorough);
    json_write_member(out, &first, TEXT("files"));
    buffer_append_char(out, '[');
    for (size_t i = 0; i < m->count; i++) {
        json_write_comma(out, &inner);
        write_member(out, &m->members[i]);
    }
    buffer_append_string(out, "\n]}\n");
    return out->failed ? pn_error_set(err, PN_ENOMEM, "out of memory") : 0;
}

static const struct json_value *member(const struct json_value *v, const char *name,
                                       enum json_kind kind)
{
    const struct json_member *m = json_value_member(v, text_of(name));
    return m && m->value.kind == kind ? &m->value : NULL;
}

static bool read_text(const struct json_value *v, const char *name, char *out, size_t size)
{
    const struct json_value *text = member(v, name, JSON_KIND_STRING);
    if (!text || text->string.len >= size || memchr(text->string.data, 0, text->string.len))
        return false;
    snprintf(out, size, "%.*s", TEXT_ARGS(text->string));
    return true;
}

static bool read_number(const struct json_value *v, const char *name, int64_t *out)
{
    const struct json_value *number = member(v, name, JSON_KIND_INTEGER);
    *out = number ? number->integer : -1;
    return *out >= 0;
}

static bool read_bool(const struct json_value *v, const char *name, bool *out)
{
    const struct json_value *flag = member(v, name, JSON_KIND_BOOLEAN);
    *out = flag && flag->boolean;
    return flag != NULL;
}

static int read_member(struct manifest *m, const struct json_value *v, struct pn_error *err)
{
    char name[MANIFEST_NAME_SIZE], sum[DIGEST_SIZE];
    int64_t bytes;
    if (!read_text(v, "name", name, sizeof name) || !read_text(v, "sha256", sum, sizeof sum) ||
        !read_number(v, "bytes", &bytes) || !digest_is_valid(text_of(sum)))
        return pn_error_set(err, PN_EINVAL, "file %zu of the manifest is damaged", m->count + 1);
    if (!layout_keeps(text_of(name)))
        return pn_error_set(err, PN_EINVAL, "'%s' is no file of a data directory", name);
    if (m->count && strcmp(m->members[m->count - 1].name, name) >= 0)
        return pn_error_set(err, PN_EINVAL, "'%s' comes twice, or too late", name);
    int rc = manifest_add(m, name, bytes, err);
    if (rc == 0)
        memcpy(m->members[m->count - 1].sha256, sum, sizeof sum);
    return rc;
}

static int read_all(struct manifest *m, const struct json_value *root, struct pn_error *err)
{
    char format[32];
    int64_t version;
    if (!read_text(root, "format", format, sizeof format) || strcmp(format, FORMAT_NAME) != 0 ||
        !read_number(root, "version", &version))
        return pn_error_set(err, PN_EINVAL, "the manifest is not one of a backup");
    if (version != MANIFEST_FORMAT)
        return pn_error_set(err, PN_EINVAL,
                            "the backup has format %lld, this version of pinion knows format %d",
                            (long long)version, MANIFEST_FORMAT);
    const struct json_value *files = member(root, "files", JSON_KIND_ARRAY);
    if (!files || !read_text(root, "host", m->host, sizeof m->host) ||
        !read_number(root, "created", &m->created) || m->created > created_max ||
        !read_number(root, "apart_us", &m->apart_us) || !read_bool(root, "exact", &m->exact) ||
        !read_bool(root, "thorough", &m->thorough))
        return pn_error_set(err, PN_EINVAL, "the manifest is damaged");
    int rc = 0;
    for (size_t i = 0; i < files->array.count && rc == 0; i++)
        rc = read_member(m, &files->array.items[i], err);
    return rc;
}

/* What it says must be all that it says. */
static int compare(const struct manifest *m, struct text text, struct pn_error *err)
{
    struct buffer again = BUFFER_INIT;
    int rc = manifest_write(m, &again, err);
    if (rc == 0 && !text_equal(buffer_text(&again), text))
        rc = pn_error_set(err, PN_EINVAL, "the manifest has what does not belong there");
    buffer_release(&again);
    return rc;
}

int manifest_read(struct manifest *m, struct text text, struct pn_error *err)
{
    const struct json_value *root;
    struct arena arena;
    struct pn_error why;
    arena_init(&arena);
    *m = (struct manifest){.count = 0};
    int rc = json_tree_parse(&root, &arena, text, &why);
    if (rc != 0)
        pn_error_set(err, rc, "the manifest is damaged: %s", why.message);
    if (rc == 0)
        rc = read_all(m, root, err);
    if (rc == 0)
        rc = compare(m, text, err);
    if (rc != 0)
        manifest_release(m);
    arena_release(&arena);
    return rc;
}
