/* What plugins can call, and the commands that it becomes. */
#include "redis.h"

#define FUNCTIONS(X)                                                                               \
    X("get", "(key: string) -> bytes?", "The value, or nil.", PINION_READS, "GET $0", REPLY_TEXT)  \
    X("set",                                                                                       \
      "(key: string, value: bytes, options: {ttl_ms: integer?, nx: boolean?, xx: boolean?}?) -> "  \
      "boolean",                                                                                   \
      "Whether it was set; nx: only a new one, xx: only one that is there.", 0,                    \
      "SET $0 $1 PX?2.ttl_ms $2.ttl_ms NX?2.nx XX?2.xx", REPLY_DONE)                               \
    X("del", "(keys: [string]) -> integer", "How many were there.", 0, "DEL $0", REPLY_INTEGER)    \
    X("exists", "(keys: [string]) -> integer", "How many are there.", PINION_READS, "EXISTS $0",   \
      REPLY_INTEGER)                                                                               \
    X("incr", "(key: string, by: integer?) -> integer", "The new value.", 0, "INCRBY $0 $1|1",     \
      REPLY_INTEGER)                                                                               \
    X("expire", "(key: string, ms: integer) -> integer", "1, or 0: it is not there.", 0,           \
      "PEXPIRE $0 $1", REPLY_INTEGER)                                                              \
    X("ttl", "(key: string) -> integer", "Milliseconds; -1: no end, -2: it is not there.",         \
      PINION_READS, "PTTL $0", REPLY_INTEGER)                                                      \
    X("hget", "(key: string, field: string) -> bytes?", "A field of a hash.", PINION_READS,        \
      "HGET $0 $1", REPLY_TEXT)                                                                    \
    X("hset", "(key: string, fields: {bytes}) -> integer", "How many fields are new.", 0,          \
      "HSET $0 $1", REPLY_INTEGER)                                                                 \
    X("hgetall", "(key: string) -> {bytes}", "All fields.", PINION_READS, "HGETALL $0", REPLY_MAP) \
    X("hdel", "(key: string, fields: [string]) -> integer", "How many were there.", 0,             \
      "HDEL $0 $1", REPLY_INTEGER)                                                                 \
    X("lpush", "(key: string, values: [bytes]) -> integer", "The list's length.", 0,               \
      "LPUSH $0 $1", REPLY_INTEGER)                                                                \
    X("rpush", "(key: string, values: [bytes]) -> integer", "The list's length.", 0,               \
      "RPUSH $0 $1", REPLY_INTEGER)                                                                \
    X("lpop", "(key: string) -> bytes?", "The first one, or nil.", 0, "LPOP $0", REPLY_TEXT)       \
    X("rpop", "(key: string) -> bytes?", "The last one, or nil.", 0, "RPOP $0", REPLY_TEXT)        \
    X("lrange", "(key: string, first: integer, last: integer) -> [bytes]",                         \
      "From 0; -1 is the last one.", PINION_READS, "LRANGE $0 $1 $2", REPLY_LIST)                  \
    X("llen", "(key: string) -> integer", "The list's length.", PINION_READS, "LLEN $0",           \
      REPLY_INTEGER)                                                                               \
    X("xadd", "(key: string, fields: {bytes}, maxlen: integer?) -> string",                        \
      "The new entry's id; about maxlen entries stay.", 0, "XADD $0 MAXLEN?2 ~?2 $2 * $1",         \
      REPLY_TEXT)                                                                                  \
    X("xrange",                                                                                    \
      "(key: string, first: string?, last: string?, count: integer?) -> [{id: string, fields: "    \
      "{bytes}}]",                                                                                 \
      "Entries of a stream.", PINION_READS, "XRANGE $0 $1|- $2|+ COUNT?3 $3", REPLY_ENTRIES)       \
    X("xread", "(key: string, after: string, count: integer?) -> [{id: string, fields: {bytes}}]", \
      "Entries after an id; it does not wait for them.", PINION_READS,                             \
      "XREAD COUNT?2 $2 STREAMS $0 $1", REPLY_STREAM)                                              \
    X("xgroup", "(key: string, group: string, from: string?) -> boolean",                          \
      "Makes a group, and the stream; from: an id, \"0\" or \"$\".", 0,                            \
      "XGROUP CREATE $0 $1 $2|$ MKSTREAM", REPLY_DONE)                                             \
    X("xreadgroup",                                                                                \
      "(key: string, group: string, consumer: string, count: integer?) -> [{id: string, fields: "  \
      "{bytes}}]",                                                                                 \
      "Entries that nobody of the group has read.", 0,                                             \
      "XREADGROUP GROUP $1 $2 COUNT?3 $3 STREAMS $0 >", REPLY_STREAM)                              \
    X("xack", "(key: string, group: string, ids: [string]) -> integer",                            \
      "How many the group waited for.", 0, "XACK $0 $1 $2", REPLY_INTEGER)                         \
    X("publish", "(channel: string, message: bytes) -> integer", "How many got it.", 0,            \
      "PUBLISH $0 $1", REPLY_INTEGER)

const struct pinion_function redis_functions[] = {
#define X(name, signature, summary, marks, command, reply)                                         \
    {name, signature, summary, marks, command_run, command_cancel},
    FUNCTIONS(X)
#undef X
        {"receive", "(channel: string, timeout_ms: integer) -> bytes?",
         "The next message that came in this worker; nil: none has.", 0, subscription_run,
         subscription_cancel},
};

const struct redis_function redis_commands[] = {
#define X(name, signature, summary, marks, command, reply) {command, reply},
    FUNCTIONS(X)
#undef X
};

const uint32_t redis_function_count = sizeof redis_functions / sizeof *redis_functions;
