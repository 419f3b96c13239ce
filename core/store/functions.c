#include "store/functions.h"

#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_SET_MAX = 256 /* bytes */ };

static struct text blob_of(sqlite3_value *value)
{
    const char *data = sqlite3_value_blob(value);
    return (struct text){data ? data : "", (size_t)sqlite3_value_bytes(value)};
}

static struct text text_of_value(sqlite3_value *value)
{
    const char *data = (const char *)sqlite3_value_text(value);
    return (struct text){data ? data : "", data ? (size_t)sqlite3_value_bytes(value) : 0};
}

static bool is_null(sqlite3_value *value)
{
    return sqlite3_value_type(value) == SQLITE_NULL;
}

static bool continues(char c)
{
    return (c & 0xC0) == 0x80;
}

static int64_t count_characters(struct text t)
{
    int64_t count = 0;
    for (size_t i = 0; i < t.len; i++)
        count += !continues(t.data[i]);
    return count;
}

static const char *find(struct text in, struct text what)
{
    return what.len ? memmem(in.data, in.len, what.data, what.len) : in.data;
}

/* instr(text, part): the place of the first one in characters (of two blobs in bytes), or 0. */
static void instr(sqlite3_context *c, int count, sqlite3_value **v)
{
    (void)count;
    if (is_null(v[0]) || is_null(v[1]))
        return;
    bool blobs = sqlite3_value_type(v[0]) == SQLITE_BLOB && sqlite3_value_type(v[1]) == SQLITE_BLOB;
    struct text in = blobs ? blob_of(v[0]) : text_of_value(v[0]);
    struct text what = blobs ? blob_of(v[1]) : text_of_value(v[1]);
    const char *hit = find(in, what);
    if (!hit) {
        sqlite3_result_int(c, 0);
        return;
    }
    struct text before = {in.data, (size_t)(hit - in.data)};
    sqlite3_result_int64(c, 1 + (blobs ? (int64_t)before.len : count_characters(before)));
}

/* How long it gets, or more than the limit. */
static uint64_t length_of_replaced(struct text in, struct text what, struct text by, uint64_t most)
{
    uint64_t length = in.len;
    const char *hit;
    while (length <= most && (hit = find(in, what))) {
        length += by.len;
        length -= what.len;
        in.len -= (size_t)(hit - in.data) + what.len;
        in.data = hit + what.len;
    }
    /* What is to come may only make it shorter by what it replaces. */
    return length;
}

static char *append(char *out, const char *from, size_t len)
{
    memcpy(out, from, len);
    return out + len;
}

/* replace(text, part, by) */
static void replace(sqlite3_context *c, int count, sqlite3_value **v)
{
    (void)count;
    if (is_null(v[0]) || is_null(v[1]))
        return;
    struct text in = text_of_value(v[0]), what = text_of_value(v[1]), by = text_of_value(v[2]);
    if (what.len == 0 || what.data[0] == 0) { /* as SQLite takes it */
        sqlite3_result_value(c, v[0]);
        return;
    }
    if (is_null(v[2]))
        return;
    sqlite3 *db = sqlite3_context_db_handle(c);
    uint64_t most = (uint64_t)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1);
    uint64_t length = length_of_replaced(in, what, by, most);
    if (length > most) {
        sqlite3_result_error_toobig(c);
        return;
    }
    char *result = sqlite3_malloc64(length + 1), *out = result;
    if (!result) {
        sqlite3_result_error_nomem(c);
        return;
    }
    for (const char *hit; (hit = find(in, what));) {
        out = append(out, in.data, (size_t)(hit - in.data));
        out = append(out, by.data, by.len);
        in.len -= (size_t)(hit - in.data) + what.len;
        in.data = hit + what.len;
    }
    append(out, in.data, in.len);
    sqlite3_result_text64(c, result, length, sqlite3_free, SQLITE_UTF8);
}

/* The length of the character that the text begins with. */
static size_t first_length(struct text t)
{
    size_t len = 1;
    if ((unsigned char)t.data[0] >= 0xC0)
        while (len < t.len && continues(t.data[len]))
            len++;
    return len;
}

/* The length of the set's character that `t` begins (or ends) with; 0: it is none of them. */
static size_t match_length(struct text t, struct text set, bool at_end)
{
    while (set.len) {
        size_t len = first_length(set);
        const char *from = at_end ? t.data + t.len - len : t.data;
        if (len <= t.len && memcmp(from, set.data, len) == 0)
            return len;
        set.data += len;
        set.len -= len;
    }
    return 0;
}

/* trim(text, set), ltrim and rtrim by the user data */
static void trim(sqlite3_context *c, int count, sqlite3_value **v)
{
    (void)count;
    intptr_t sides = (intptr_t)sqlite3_user_data(c);
    if (is_null(v[0]) || is_null(v[1]))
        return;
    struct text t = text_of_value(v[0]), set = text_of_value(v[1]);
    if (set.len > TRIM_SET_MAX) {
        sqlite3_result_error(c, "trim: the set of characters is longer than 256 bytes", -1);
        return;
    }
    for (size_t len; (sides & TRIM_LEFT) && t.len && (len = match_length(t, set, false));) {
        t.data += len;
        t.len -= len;
    }
    for (size_t len; (sides & TRIM_RIGHT) && t.len && (len = match_length(t, set, true));)
        t.len -= len;
    sqlite3_result_text64(c, t.data, t.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

int functions_replace(sqlite3 *db)
{
    static const struct {
        const char *name;
        int arguments;
        intptr_t data;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        {"instr", 2, 0, instr},
        {"replace", 3, 0, replace},
        {"trim", 2, TRIM_LEFT | TRIM_RIGHT, trim},
        {"ltrim", 2, TRIM_LEFT, trim},
        {"rtrim", 2, TRIM_RIGHT, trim},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof functions / sizeof *functions && rc == SQLITE_OK; i++)
        rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments,
                                        SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                        (void *)functions[i].data, functions[i].function, NULL,
                                        NULL, NULL);
    return rc;
}
