/*
 * Limits of the HTTP server: sizes in bytes, times in milliseconds. The same in development and
 * production.
 */
#ifndef PINION_HTTP_LIMITS_H
#define PINION_HTTP_LIMITS_H

#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEADERS_MAX = 64,       /* header_count cannot be more */
    HTTP_REQUEST_LINE_MAX = 8192 /* request_line cannot be more */
};

struct http_limits {
    size_t request_line; /* without its line end; above: 414 */
    size_t header_bytes; /* all header lines with their ends; above: 431. As much for trailers */
    size_t header_count; /* above: 431 */
    size_t body;         /* decoded; above: 413 */
    size_t
        input_memory;   /* of all requests too large for 16 KiB together; above: 503; 0: no limit */
    size_t connections; /* per process; above: 503 */
    int64_t head_ms;    /* from a head's first byte to its end; above: 408 */
    int64_t body_ms;    /* for the whole body; above: 408 */
    int64_t idle_ms;    /* between requests, and before the first; above: closed */
    int64_t write_ms;   /* without progress; above: closed */
    int64_t linger_ms;  /* how long input is discarded after a refusal */
};

#define HTTP_LIMITS_DEFAULT                                                                        \
    {                                                                                              \
        .request_line = 8192, .header_bytes = 16384, .header_count = HTTP_HEADERS_MAX,             \
        .body = 1 << 20, .input_memory = 256 << 20, .connections = 10000, .head_ms = 10000,        \
        .body_ms = 30000, .idle_ms = 60000, .write_ms = 30000, .linger_ms = 2000,                  \
    }

#endif
