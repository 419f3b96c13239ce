/*
 * redis: a Redis server for plugins, over hiredis on the worker's loop.
 *
 * Two connections of each worker, made when they are first needed: one that all commands share, in a
 * pipeline, and one for subscriptions. What goes wrong on the way is nil and an error in Lua:
 * "timeout", "closed", "refused", "too_many", "auth", or the first word of what Redis says, such as
 * "wrongtype". The password is in no message and no log line.
 */
#ifndef PINION_REDIS_H
#define PINION_REDIS_H

#include <pinion/binding.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

enum { REDIS_TEXT_SIZE = 256, REDIS_CODE_SIZE = 32 };

/* ---- url.c */

struct redis_url {
    char host[REDIS_TEXT_SIZE]; /* "": a Unix socket */
    char path[REDIS_TEXT_SIZE];
    int port;
    char user[REDIS_TEXT_SIZE], password[REDIS_TEXT_SIZE]; /* "": none */
    int db;
};

/* redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] or unix:PATH[?db=DB]. NULL, or what is wrong. */
const char *redis_url_parse(struct redis_url *out, const char *text, size_t len);

/* ---- connection.c */

enum connection_state {
    CONNECTION_IDLE,
    CONNECTION_RESOLVES,
    CONNECTION_CONNECTS, /* and logs in */
    CONNECTION_READY,
    CONNECTION_PAUSES /* after a failure, before the next attempt */
};

struct redis;

enum { ADDRESSES_MAX = 4 };

struct addresses {
    char text[ADDRESSES_MAX][64];
    int count, at; /* the one that is tried, or was */
};

struct connection {
    struct redis *redis;
    enum connection_state state;
    redisAsyncContext *context; /* from CONNECTION_CONNECTS on */
    struct pinion_timer *timer; /* of the attempt, the first while it is ready, or the pause */
    struct addresses addresses; /* of url.host, looked up for each attempt; none of a Unix socket */
    int64_t pause_ms;
    int steps_left; /* of logging in */
    bool closing, down_told;
    void (*ready)(struct redis *r);
    /* All that waits for an answer gets none. */
    void (*lost)(struct redis *r, const char *code, const char *message);
    /* NULL, or: it is about to be lost, since the server said this and hiredis knew of no request. */
    void (*objected)(struct redis *r, const char *error);
    bool (*wanted)(struct redis *r); /* whether a lost one is made again by itself */
};

/* Makes it, unless it is there, or on its way. */
void connection_need(struct connection *c);
/* It does not answer: as if it had been closed. */
void connection_drop(struct connection *c, const char *code, const char *message);
void connection_close(struct connection *c); /* for good; calls nobody */

/* ---- command.c: the requests of calls */

struct request {
    struct redis *redis;
    struct pinion_call *call; /* NULL: nobody waits any more */
    struct request *next, *previous;
    struct pinion_timer *timer;
    bool sent;
};

void command_run(struct pinion_call *call, void *instance);
void command_cancel(struct pinion_call *call, void *instance);
void command_ready(struct redis *r);
void command_lost(struct redis *r, const char *code, const char *message);
bool command_wanted(struct redis *r);

/* ---- reply.c */

enum reply_kind {
    REPLY_TEXT,    /* or nil */
    REPLY_INTEGER, /* or nil */
    REPLY_DONE,    /* true; false for nil */
    REPLY_LIST,
    REPLY_MAP,
    REPLY_ENTRIES, /* of a stream: { id =, fields = } */
    REPLY_STREAM   /* the entries of the one stream that was asked for */
};

/* The first word of "WRONGTYPE Operation against …", in small letters; "redis" where there is none. */
void redis_code(char code[REDIS_CODE_SIZE], const char *error);

/* Ends the call with it. */
void reply_give(const struct pinion_host *host, struct pinion_call *call, enum reply_kind kind,
                const redisReply *reply);

/* ---- functions.c */

/*
 * `command` has words: "$1" is argument 1 (a list's items, a map's names and values), "$2.ttl_ms" a
 * member of it, "$1|-" the same or "-" where it is nil, "PX?2.ttl_ms" the word before "?" where that
 * is neither nil nor false; any other word is itself.
 */
struct redis_function {
    const char *command;
    enum reply_kind reply;
};

extern const struct pinion_function redis_functions[];
extern const struct redis_function redis_commands[]; /* NULL command: it is none */
extern const uint32_t redis_function_count;

/* ---- subscription.c */

struct channel;
void subscription_run(struct pinion_call *call, void *instance);
void subscription_cancel(struct pinion_call *call, void *instance);
void subscription_ready(struct redis *r);
void subscription_lost(struct redis *r, const char *code, const char *message);
void subscription_objected(struct redis *r, const char *error);
bool subscription_wanted(struct redis *r);
void subscription_close(struct redis *r);

/* ---- redis.c */

struct redis {
    const struct pinion_host *host;
    struct redis_url url;
    int64_t timeout_ms, requests_max, messages_max, message_bytes_max, idle_ms;
    struct connection commands, subscriptions;
    struct request *first, *last; /* that calls wait for, in the order they were asked */
    int64_t requests;             /* all, also those that nobody waits for any more */
    int64_t unanswered;           /* of those that were sent */
    int64_t silent_since;         /* the last answer, or the first of `unanswered` */
    struct pinion_timer *silence; /* looks whether it lasts too long; NULL: nothing was sent */
    struct channel *channels;
    uint64_t subscribed; /* how often, so that channels know their order */
};

/* Milliseconds that a call may wait: the setting, or what is left to it but for a tenth. */
int64_t redis_timeout(const struct redis *r, struct pinion_call *call);

#endif
