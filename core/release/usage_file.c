/*
 * usage.json, and the same figures for the status.
 */
#include "release/usage.h"

#include "base/clock.h"
#include "base/file.h"
#include "json/tree.h"
#include "json/writer.h"

#include <stdlib.h>

enum { FILE_BYTES_MAX = 64 * 1024 * 1024, STATUS_ENTRIES_MAX = 100 };

static const struct json_value *member(const struct json_value *v, const char *name,
                                       enum json_kind kind)
{
    const struct json_member *m = json_value_member(v, text_of(name));
    return m && m->value.kind == kind ? &m->value : NULL;
}

static bool read_days(const struct json_value *v, uint64_t days[USAGE_DAYS])
{
    if (!v || v->kind != JSON_KIND_ARRAY || v->array.count > USAGE_DAYS)
        return false;
    for (size_t i = 0; i < v->array.count; i++) {
        const struct json_value *one = &v->array.items[i];
        if (one->kind != JSON_KIND_INTEGER || one->integer < 0)
            return false;
        days[i] = (uint64_t)one->integer;
    }
    return true;
}

static bool read_members(struct usage *u, struct usage_entry *e, const struct json_value *members)
{
    for (size_t i = 0; i < members->object.count; i++) {
        const struct json_member *m = &members->object.members[i];
        uint64_t days[USAGE_DAYS] = {0};
        if (!read_days(&m->value, days))
            return false;
        usage_add_member(u, e, m->name, 0);
        if (e->members && text_equal(text_of(e->members->name), m->name))
            memcpy(e->members->days, days, sizeof days);
    }
    return true;
}

static bool read_entry(struct usage *u, const struct json_value *v)
{
    const struct json_value *capability = member(v, "capability", JSON_KIND_STRING),
                            *caller = member(v, "caller", JSON_KIND_STRING),
                            *members = member(v, "members", JSON_KIND_OBJECT);
    if (!capability || !caller || !members)
        return false;
    struct usage_entry *e = usage_add(u, capability->string, caller->string, 0, 0);
    return !e || (read_days(member(v, "calls", JSON_KIND_ARRAY), e->calls) &&
                  read_days(member(v, "by_route", JSON_KIND_ARRAY), e->by_route) &&
                  read_members(u, e, members));
}

static bool read_all(struct usage *u, const struct json_value *root)
{
    const struct json_value *day = member(root, "day", JSON_KIND_INTEGER),
                            *since = member(root, "since", JSON_KIND_INTEGER),
                            *entries = member(root, "entries", JSON_KIND_ARRAY);
    if (!day || !since || !entries || day->integer < 0 || since->integer < 0)
        return false;
    for (size_t i = 0; i < entries->array.count; i++)
        if (!read_entry(u, &entries->array.items[i]))
            return false;
    u->day = day->integer;
    u->since = since->integer;
    return true;
}

int usage_read(struct usage *u, const char *path, struct pn_error *err)
{
    struct buffer text = BUFFER_INIT;
    struct arena arena;
    const struct json_value *root;
    arena_init(&arena);
    int rc = file_read(path, FILE_BYTES_MAX, &text, err);
    bool absent = rc == PN_ENOTFOUND;
    if (rc == 0 && (rc = json_tree_parse(&root, &arena, buffer_text(&text), err)) != 0)
        pn_error_wrap(err, "'%s' is damaged", path);
    if (rc == 0 && !read_all(u, root)) {
        usage_release(u);
        rc = pn_error_set(err, PN_EINVAL, "'%s' is damaged", path);
    }
    u->dirty = false;
    arena_release(&arena);
    buffer_release(&text);
    return absent ? 0 : rc;
}

static void write_days(struct buffer *out, bool *first, struct text name,
                       const uint64_t days[USAGE_DAYS])
{
    json_write_member(out, first, name);
    buffer_append_char(out, '[');
    for (size_t i = 0; i < USAGE_DAYS; i++) {
        if (i)
            buffer_append_char(out, ',');
        buffer_append_uint64(out, days[i]);
    }
    buffer_append_char(out, ']');
}

static void write_entry(struct buffer *out, const struct usage_entry *e)
{
    bool first = true, inner = true;
    buffer_append_string(out, "\n {");
    json_write_string_member(out, &first, TEXT("capability"), e->capability);
    json_write_string_member(out, &first, TEXT("caller"), e->caller);
    write_days(out, &first, TEXT("calls"), e->calls);
    write_days(out, &first, TEXT("by_route"), e->by_route);
    json_write_member(out, &first, TEXT("members"));
    buffer_append_char(out, '{');
    for (const struct usage_member *m = e->members; m; m = m->next)
        write_days(out, &inner, text_of(m->name), m->days);
    buffer_append_string(out, "}}");
}

int usage_write(struct usage *u, const char *path, bool durable, struct pn_error *err)
{
    struct buffer out = BUFFER_INIT;
    const struct usage_entry *e;
    bool first = true, inner = true;
    buffer_append_char(&out, '{');
    json_write_integer_member(&out, &first, TEXT("day"), u->day);
    json_write_integer_member(&out, &first, TEXT("since"), u->since);
    json_write_member(&out, &first, TEXT("entries"));
    buffer_append_char(&out, '[');
    for (size_t at = 0; (e = map_next(&u->entries, &at));) {
        json_write_comma(&out, &inner);
        write_entry(&out, e);
    }
    buffer_append_string(&out, "\n]}\n");
    int rc = out.failed ? pn_error_set(err, PN_ENOMEM, "out of memory")
                        : file_write(path, buffer_text(&out), durable, err);
    u->dirty = u->dirty && rc != 0;
    buffer_release(&out);
    return rc;
}

static int by_calls(const void *a, const void *b)
{
    const struct usage_entry *left = *(const struct usage_entry *const *)a,
                             *right = *(const struct usage_entry *const *)b;
    uint64_t more = usage_sum(left->calls), less = usage_sum(right->calls);
    if (more != less)
        return more > less ? -1 : 1;
    return text_compare(text_of(left->key), text_of(right->key));
}

static void write_sums(struct buffer *out, const struct usage_entry *e)
{
    bool first = true, inner = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("capability"), e->capability);
    json_write_string_member(out, &first, TEXT("caller"), e->caller);
    json_write_integer_member(out, &first, TEXT("calls"), (int64_t)usage_sum(e->calls));
    json_write_integer_member(out, &first, TEXT("by_route"), (int64_t)usage_sum(e->by_route));
    json_write_member(out, &first, TEXT("members"));
    buffer_append_char(out, '{');
    for (const struct usage_member *m = e->members; m; m = m->next)
        json_write_integer_member(out, &inner, text_of(m->name), (int64_t)usage_sum(m->days));
    buffer_append_string(out, "}}");
}

void usage_write_status(const struct usage *u, struct buffer *out)
{
    size_t count = 0;
    bool first = true;
    struct usage_entry **list = calloc(u->entries.count + 1, sizeof(void *)), *e;
    for (size_t at = 0; list && (e = map_next(&u->entries, &at));)
        list[count++] = e;
    if (count)
        qsort(list, count, sizeof *list, by_calls);
    buffer_append_char(out, '[');
    for (size_t i = 0; i < count && i < STATUS_ENTRIES_MAX; i++) {
        json_write_comma(out, &first);
        write_sums(out, list[i]);
    }
    buffer_append_char(out, ']');
    free(list);
}
