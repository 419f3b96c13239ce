#include "base/log.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 8192,
    LINE_TAIL = 2,
    QUOTED_ROOM = 8 /* for one more character, escaped or not, and the closing quote */
};

static struct {
    enum log_format format;
    enum log_level least;
    const char *process;
} state = {LOG_FORMAT_LOGFMT, LOG_INFO, "pinion"};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    char data[LINE_MAX_BYTES];
    size_t len;
};

void log_start(enum log_format format, enum log_level least, const char *process)
{
    if (format == LOG_FORMAT_AUTO)
        format = isatty(STDERR_FILENO) ? LOG_FORMAT_LOGFMT : LOG_FORMAT_JSON;
    state.format = format;
    state.least = least;
    state.process = process;
}

void log_set_level(enum log_level least)
{
    state.least = least;
}

bool log_enabled(enum log_level level)
{
    return level >= state.least;
}

bool log_level_parse(struct text name, enum log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (!text_equal(name, text_of(level_names[i])))
            continue;
        *out = (enum log_level)i;
        return true;
    }
    return false;
}

static size_t room_of(const struct line *l)
{
    return sizeof l->data - LINE_TAIL - l->len;
}

static void put(struct line *l, const char *data, size_t len)
{
    size_t room = room_of(l);
    if (len > room)
        len = room;
    memcpy(l->data + l->len, data, len);
    l->len += len;
}

static void put_string(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* As much of `t` as `most` bytes hold, whole characters only. */
static struct text cut(struct text t, size_t most)
{
    if (t.len <= most)
        return t;
    t.len = most;
    while (t.len && ((unsigned char)t.data[t.len] & 0xC0) == 0x80)
        t.len--;
    return t;
}

/*
 * The JSON escapes serve logfmt's quoted values as well. What does not fit is left out, the closing
 * quote never.
 */
static void put_quoted(struct line *l, struct text t)
{
    put(l, "\"", 1);
    t = cut(t, room_of(l));
    bool utf8 = text_is_utf8(t);
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.data[i];
        char escaped[8];
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", c);
        else if (c == '\n' || c == '\t')
            snprintf(escaped, sizeof escaped, c == '\n' ? "\\n" : "\\t");
        else if (c < 0x20 || c == 0x7F || (c >= 0x80 && !utf8))
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else
            snprintf(escaped, sizeof escaped, "%c", c);
        bool begins = !utf8 || (c & 0xC0) != 0x80;
        if (begins && room_of(l) < QUOTED_ROOM)
            break;
        put_string(l, escaped);
    }
    put(l, "\"", 1);
}

static bool is_plain(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F)
            return false;
    }
    return t.len > 0;
}

static void put_key(struct line *l, const char *key)
{
    if (state.format == LOG_FORMAT_JSON) {
        put_string(l, l->len > 1 ? ",\"" : "\"");
        put_string(l, key);
        put_string(l, "\":");
        return;
    }
    if (l->len)
        put(l, " ", 1);
    put_string(l, key);
    put(l, "=", 1);
}

static void put_text(struct line *l, const char *key, struct text value)
{
    put_key(l, key);
    if (state.format != LOG_FORMAT_JSON && is_plain(value))
        put(l, value.data, value.len);
    else
        put_quoted(l, value);
}

static void put_field(struct line *l, const struct log_field *f)
{
    char number[32];
    if (room_of(l) < strlen(f->key) + sizeof number + QUOTED_ROOM)
        return; /* half a field would spoil the line for whoever parses it */
    if (f->kind == LOG_KIND_TEXT) {
        put_text(l, f->key, f->text);
        return;
    }
    if (f->kind == LOG_KIND_MS)
        snprintf(number, sizeof number, "%.3f", (double)f->number / (double)NS_PER_MS);
    else
        snprintf(number, sizeof number, "%lld", (long long)f->number);
    put_key(l, f->key);
    put_string(l, number);
}

void log_event(enum log_level level, const char *message, const struct log_field *fields,
               size_t count)
{
    if (!log_enabled(level))
        return;
    struct line l = {.len = 0};
    char now[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall(), now);
    if (state.format == LOG_FORMAT_JSON)
        put(&l, "{", 1);
    put_text(&l, "time", text_of(now));
    put_text(&l, "level", text_of(level_names[level]));
    put_text(&l, "process", text_of(state.process));
    put_text(&l, "msg", text_of(message));
    for (size_t i = 0; i < count; i++)
        if (fields[i].key)
            put_field(&l, &fields[i]);
    /* LINE_TAIL bytes were kept free for these. */
    if (state.format == LOG_FORMAT_JSON)
        l.data[l.len++] = '}';
    l.data[l.len++] = '\n';
    ssize_t written = write(STDERR_FILENO, l.data, l.len);
    (void)written; /* there is nowhere left to report it */
}
