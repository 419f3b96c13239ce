/*
 * Log: one line per event on standard error, logfmt on a terminal, JSON otherwise.
 *
 * A line is written with one write(2), so lines of several processes never mix. Fields are given by
 * LOG_… makers;
 * values are escaped by the format in use. No allocation, no lock: a line longer than 8 KiB is cut.
 */
#ifndef PINION_BASE_LOG_H
#define PINION_BASE_LOG_H

#include "base/text.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_kind { LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_MS };

struct log_field {
    const char *key;
    enum log_kind kind;
    struct text text;
    int64_t number;
};

#define LOG_TEXT(key, value) ((struct log_field){key, LOG_KIND_TEXT, value, 0})
#define LOG_STRING(key, value) ((struct log_field){key, LOG_KIND_TEXT, text_of(value), 0})
#define LOG_INT(key, value) ((struct log_field){key, LOG_KIND_INT, {NULL, 0}, (int64_t)(value)})
/* A span given in nanoseconds, shown in milliseconds with three decimals. */
#define LOG_MS(key, ns) ((struct log_field){key, LOG_KIND_MS, {NULL, 0}, (int64_t)(ns)})

/* `process` ("supervisor", "worker-0") is borrowed and stands on every line. */
void log_start(enum log_format format, enum log_level least, const char *process);
void log_set_level(enum log_level least);
bool log_enabled(enum log_level level);
bool log_level_parse(struct text name, enum log_level *out);

void log_event(enum log_level level, const char *message, const struct log_field *fields,
               size_t count);

/* LOG(LOG_INFO, "listening", LOG_STRING("url", url)); */
#define LOG(level, message, ...)                                                                   \
    log_event(level, message, (const struct log_field[]){{0}, ##__VA_ARGS__},                      \
              sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field))

#endif
