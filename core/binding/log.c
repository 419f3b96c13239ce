/*
 * ctx.log: lines in the host's log that name the generation and the trace. ctx.log:info("placed", {
 * order_id = 7 })
 */
#include "base/log.h"

#include "binding/binding.h"

#include <inttypes.h>
#include <stdio.h>

enum { FIELDS_MAX = 16, VALUE_SIZE = 32, KEY_SIZE = 48 };

struct line {
    struct log_field fields[FIELDS_MAX];
    size_t count;
    char numbers[FIELDS_MAX][VALUE_SIZE];
    char keys[FIELDS_MAX][KEY_SIZE];
};

static struct text value_as_text(struct value_frame *f, int n, char number[VALUE_SIZE])
{
    switch (value_type(f, n)) {
    case VALUE_NIL:
        return TEXT("nil");
    case VALUE_BOOLEAN:
        return value_boolean(f, n) ? TEXT("true") : TEXT("false");
    case VALUE_INTEGER:
        snprintf(number, VALUE_SIZE, "%" PRId64, value_integer(f, n));
        return text_of(number);
    case VALUE_NUMBER:
        snprintf(number, VALUE_SIZE, "%.17g", value_number(f, n));
        return text_of(number);
    case VALUE_TEXT:
        return value_text(f, n);
    default:
        return TEXT("(table)");
    }
}

static void add(struct line *line, const char *key, struct text value)
{
    if (line->count < FIELDS_MAX)
        line->fields[line->count++] = LOG_TEXT(key, value);
}

static void add_fields(struct value_frame *f, struct line *line)
{
    bool again = false;
    int base = value_count(f);
    while (line->count < FIELDS_MAX && value_next(f, 2, &again)) {
        size_t i = line->count;
        struct text key = value_text(f, base + 1);
        snprintf(line->keys[i], KEY_SIZE, "%.*s", TEXT_ARGS(key));
        add(line, line->keys[i], value_as_text(f, base + 2, line->numbers[i]));
    }
}

/* No secret in it, and no key that would be read as something else. */
static void clean_fields(struct value_frame *f, struct line *line)
{
    for (size_t i = 0; i < line->count; i++) {
        char *own = line->keys[i];
        line->fields[i].text = value_redacted(f, line->fields[i].text);
        struct text key = value_redacted(f, text_of(own));
        memmove(own, key.data, key.len);
        own[key.len] = 0;
        for (char *c = own; *c; c++)
            if (*c <= ' ' || *c == '=' || *c == '"' || *c == '\\')
                *c = '_';
    }
}

static int write_line(struct value_frame *f, struct binding_scope *scope, enum log_level level)
{
    char message[512];
    struct line line = {.count = 0, .keys = {""}};
    struct text text = value_need_text(f, 1);
    if (!log_enabled(level))
        return 0;
    text = value_redacted(f, text);
    snprintf(message, sizeof message, "%.*s",
             (int)(text.len < sizeof message ? text.len : sizeof message - 1), text.data);
    add(&line, "generation", text_of(scope->label));
    add(&line, "capability", value_call(f)->capability->name);
    add(&line, "trace_id", value_call(f)->origin->trace_id);
    if (value_type(f, 2) == VALUE_TABLE)
        add_fields(f, &line);
    clean_fields(f, &line);
    log_event(level, message, line.fields, line.count);
    return 0;
}

static int log_debug(struct value_frame *f, void *instance)
{
    return write_line(f, instance, LOG_DEBUG);
}

static int log_info(struct value_frame *f, void *instance)
{
    return write_line(f, instance, LOG_INFO);
}

static int log_warn(struct value_frame *f, void *instance)
{
    return write_line(f, instance, LOG_WARN);
}

static int log_error(struct value_frame *f, void *instance)
{
    return write_line(f, instance, LOG_ERROR);
}

static const struct value_method methods[] = {
    {"debug", log_debug}, {"info", log_info}, {"warn", log_warn},
    {"error", log_error}, {NULL, NULL},
};

const struct binding binding_log = {"log", true, methods, NULL};
