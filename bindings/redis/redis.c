#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 5000,
    REQUESTS = 256,
    MESSAGES = 256,
    MESSAGE_BYTES = 1024 * 1024,
    IDLE_MS = 60000
};

int64_t redis_timeout(const struct redis *r, struct pinion_call *call)
{
    int64_t left = r->host->time_left(call);
    int64_t most = left - left / 10; /* so that the handler can still do something else */
    return left >= 0 && most < r->timeout_ms ? most : r->timeout_ms;
}

/* False: `what` says why. */
static bool read_number(const struct redis *r, const struct pinion_value *v, int64_t most,
                        int64_t *out, const char **what, const char *problem)
{
    if (r->host->type(v) == PINION_INTEGER && r->host->integer(v) >= 1 &&
        r->host->integer(v) <= most) {
        *out = r->host->integer(v);
        return true;
    }
    *what = problem;
    return false;
}

static bool read_setting(struct redis *r, const struct pinion_value *v, const char **what)
{
    const char *name = r->host->key(v, NULL);
    size_t len;
    if (strcmp(name, "url") == 0) {
        const char *text = r->host->text(v, &len);
        *what = redis_url_parse(&r->url, text, len);
        return *what == NULL;
    }
    if (strcmp(name, "timeout_ms") == 0)
        return read_number(r, v, 60000, &r->timeout_ms, what, "'timeout_ms' is from 1 to 60000");
    if (strcmp(name, "requests") == 0)
        return read_number(r, v, 512, &r->requests_max, what, "'requests' is from 1 to 512");
    if (strcmp(name, "messages") == 0)
        return read_number(r, v, 100000, &r->messages_max, what, "'messages' is from 1 to 100000");
    if (strcmp(name, "idle_ms") == 0)
        return read_number(r, v, 3600000, &r->idle_ms, what, "'idle_ms' is from 1 to 3600000");
    *what = "its settings are 'url', 'timeout_ms', 'requests', 'messages' and 'idle_ms'";
    return false;
}

/* The password is in no message. */
static const char *read_settings(struct redis *r, const struct pinion_value *config)
{
    const char *what = NULL;
    for (const struct pinion_value *v = r->host->first(config); v; v = r->host->next(v))
        if (!read_setting(r, v, &what))
            return what;
    return r->url.host[0] || r->url.path[0] ? NULL : "'url' is missing";
}

static int open_redis(const struct pinion_host *host, const struct pinion_value *config,
                      void **instance)
{
    struct redis *r = calloc(1, sizeof *r);
    const char *problem = "out of memory";
    if (r) {
        *r = (struct redis){
            .host = host,
            .timeout_ms = TIMEOUT_MS,
            .requests_max = REQUESTS,
            .messages_max = MESSAGES,
            .message_bytes_max = MESSAGE_BYTES,
            .idle_ms = IDLE_MS,
            .commands = {.redis = r,
                         .ready = command_ready,
                         .lost = command_lost,
                         .wanted = command_wanted},
            .subscriptions = {.redis = r,
                              .ready = subscription_ready,
                              .lost = subscription_lost,
                              .objected = subscription_objected,
                              .wanted = subscription_wanted},
        };
        problem = read_settings(r, config);
    }
    if (problem) {
        host->reject(host, problem);
        free(r);
        return -1;
    }
    *instance = r;
    return 0;
}

/* Requests that were sent are freed with their connection; no call waits any more. */
static void close_redis(void *instance)
{
    struct redis *r = instance;
    connection_close(&r->commands);
    connection_close(&r->subscriptions);
    command_lost(r, "closed", "the worker ends");
    r->host->timer_stop(r->silence);
    subscription_close(r);
    explicit_bzero(&r->url, sizeof r->url);
    free(r);
}

const struct pinion_binding *pinion_binding(void)
{
    static struct pinion_binding binding = {
        .abi_version = PINION_ABI_VERSION,
        .struct_size = sizeof binding,
        .name = "redis",
        .version = "1.0.0",
        .summary = "A Redis server.",
        .functions = redis_functions,
        .function_size = sizeof *redis_functions,
        .open = open_redis,
        .close = close_redis,
    };
    binding.function_count = redis_function_count;
    return &binding;
}
