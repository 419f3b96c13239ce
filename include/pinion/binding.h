/*
 * Pinion's native binding ABI: a shared object that plugins call as ctx.<name>.
 *
 * The object exports one function, `const struct pinion_binding *pinion_binding(void)`. The host
 * gives it a table, struct pinion_host; no symbol of the executable is needed. C11, or C++.
 *
 * Rules:
 * - One thread, the worker's loop, calls everything here and is the only one that may call the host;
 *   but for the `run` of work, which is on another thread and may touch neither the host nor a call.
 * - Nothing may block: what waits goes on the loop (timer, watch, event_base) or to `work`.
 * - Every call is ended exactly once, by finish, fail or refuse: before its function returns, or
 *   later. Until then its handle and its arguments stay valid, also when nobody waits any more.
 * - What is pushed is copied. What is read is borrowed until the call has ended; of the
 *   configuration, until `open` returns.
 * - The host never jumps (longjmp) over the binding's code, and the binding never over the host's.
 *
 * The ABI only grows: members are added at the ends of structs, and a table's struct_size says which
 * are there. PINION_ABI_VERSION changes when something would not fit what was compiled before.
 */
#ifndef PINION_BINDING_H
#define PINION_BINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PINION_ABI_VERSION 1u

/* Of the function that the object exports. */
#define PINION_EXPORT __attribute__((visibility("default")))

struct pinion_host;
struct pinion_call;  /* one call of one function */
struct pinion_value; /* an argument, the configuration, or a part of one */
struct pinion_timer;
struct pinion_watch;

enum pinion_type {
    PINION_NIL,
    PINION_BOOLEAN,
    PINION_INTEGER,
    PINION_NUMBER,
    PINION_TEXT, /* bytes; UTF-8 where the signature says "string" */
    PINION_LIST,
    PINION_MAP /* names are texts */
};

/* What a function may be called from; 0: actions only. */
enum pinion_mark {
    PINION_READS = 1, /* it changes nothing outside: queries may call it too */
    PINION_PURE = 2   /* it depends on its arguments alone and ends before it returns: so may
                         commands, which wait for nobody */
};

/* What a watch waits for, and is told. */
enum pinion_interest { PINION_READABLE = 1, PINION_WRITABLE = 2 };

enum pinion_level { PINION_DEBUG, PINION_INFO, PINION_WARN, PINION_ERROR };

struct pinion_function {
    const char *name;      /* a lower-case letter, then letters, digits and '_' */
    const char *signature; /* "(key: string, seconds: integer?) -> string?" */
    const char *summary;
    uint32_t marks; /* of enum pinion_mark */
    void (*run)(struct pinion_call *call, void *instance);
    /*
     * NULL, or: nobody waits for the call any more (its time is up, or the worker ends). It still has
     * to be ended, here or later; what it is ended with is dropped.
     */
    void (*cancel)(struct pinion_call *call, void *instance);
};

struct pinion_binding {
    uint32_t abi_version; /* PINION_ABI_VERSION */
    uint32_t struct_size; /* sizeof(struct pinion_binding) */
    const char *name; /* what the object is, "redis"; ctx's name for it is the configuration's */
    const char *version;
    const char *summary;
    const struct pinion_function *functions;
    uint32_t function_count;
    uint32_t function_size; /* sizeof(struct pinion_function) */
    /*
     * In each worker, once, before it gives up what it does not need: files and libraries are opened
     * here. `config` is a map. 0, and *instance is what functions are given; anything else, behind
     * host->reject: the host does not start. The table stays valid until close has returned.
     */
    int (*open)(const struct pinion_host *host, const struct pinion_value *config, void **instance);
    /* No plugin is left, and no work; calls that were not ended are the host's. */
    void (*close)(void *instance);
};

struct pinion_host {
    uint32_t abi_version;
    uint32_t struct_size;

    /* ---- reading values; `value` may be NULL, which is nil */
    enum pinion_type (*type)(const struct pinion_value *value);
    bool (*boolean)(const struct pinion_value *value);
    int64_t (*integer)(const struct pinion_value *value);
    double (*number)(const struct pinion_value *value); /* of an integer too */
    /* Terminated by a NUL that is not counted; others may be inside. NULL: no text. */
    const char *(*text)(const struct pinion_value *value, size_t *len);
    size_t (*count)(const struct pinion_value *value); /* items, or members */
    /* Items and members in turn: first, then next of each; NULL: no more. */
    const struct pinion_value *(*first)(const struct pinion_value *list_or_map);
    const struct pinion_value *(*next)(const struct pinion_value *item);
    const char *(*key)(const struct pinion_value *member, size_t *len); /* NULL: no member */
    const struct pinion_value *(*member)(const struct pinion_value *map, const char *name);

    /* ---- a call's arguments, from 0; those that were left out are nil */
    const struct pinion_value *(*argument)(struct pinion_call *call, size_t index);

    /* Which of the binding's functions it is a call of: the place in the table, from 0. */
    size_t (*function)(struct pinion_call *call);

    /* ---- its results, one after another as the signature names them. Lack of memory, and what is
     * not begun or ended properly, is reported when the call is finished. */
    void (*push_nil)(struct pinion_call *call);
    void (*push_boolean)(struct pinion_call *call, bool value);
    void (*push_integer)(struct pinion_call *call, int64_t value);
    void (*push_number)(struct pinion_call *call, double value);
    void (*push_text)(struct pinion_call *call, const char *data, size_t len);
    void (*begin_list)(struct pinion_call *call); /* what is pushed from here on is its items */
    void (*begin_map)(struct pinion_call *call);  /* … its members, each behind push_key */
    void (*push_key)(struct pinion_call *call, const char *data, size_t len);
    void (*end)(struct pinion_call *call); /* of the list or map that was begun last */

    /* ---- its end */
    void (*finish)(struct pinion_call *call); /* with the results that were pushed */
    /* The world's fault: Lua gets nil and { code = …, message = … }; of up to 63 and 1023 bytes. */
    void (*fail)(struct pinion_call *call, const char *code, const char *message);
    /* The caller's fault: raised in Lua, with the function's name. */
    void (*refuse)(struct pinion_call *call, const char *message);
    /* Milliseconds it may still take; -1: no end is set. */
    int64_t (*time_left)(struct pinion_call *call);

    /* ---- the worker */
    /* Inside open, which then returns what is not 0: why. */
    void (*reject)(const struct pinion_host *host, const char *reason);
    void (*log)(const struct pinion_host *host, enum pinion_level level, const char *message);
    int64_t (*now)(const struct pinion_host *host); /* monotonic milliseconds */
    /* Once, then it is gone. NULL: no memory. */
    struct pinion_timer *(*timer_start)(const struct pinion_host *host, int64_t ms,
                                        void (*fn)(void *user), void *user);
    void (*timer_stop)(struct pinion_timer *timer); /* before it was due; NULL is fine */
    /* `ready` is of enum pinion_interest; an error shows as both. NULL: it cannot be watched. */
    struct pinion_watch *(*watch_start)(const struct pinion_host *host, int fd, unsigned interest,
                                        void (*fn)(void *user, unsigned ready), void *user);
    bool (*watch_change)(struct pinion_watch *watch, unsigned interest);
    void (*watch_stop)(
        struct pinion_watch *watch); /* then the descriptor is closed; NULL is fine */
    /*
     * `run` on a thread, then `done` on the loop. A few run at once and others wait. False: too many
     * wait, or there is no memory; neither is called. Where no threads are started yet, as inside
     * `open`, `run` may be on the calling thread. Before `close` all of it is run and done: the
     * worker's end waits for it, so each `run` should be short, or ask whether it is still wanted.
     */
    bool (*work)(const struct pinion_host *host, void (*run)(void *user), void (*done)(void *user),
                 void *user);
    /* A struct event_base of libevent 2.1, for libraries that know it. */
    void *(*event_base)(const struct pinion_host *host);
};

/* What the object exports. */
PINION_EXPORT const struct pinion_binding *pinion_binding(void);

#ifdef __cplusplus
}
#endif

#endif
