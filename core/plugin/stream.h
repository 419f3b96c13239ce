/*
 * Streams: answers whose bodies are passed on from other servers (ctx.http:stream), as they come.
 *
 * Life: stream_new takes a place before the call runs; stream_begin gives it what the handler has
 * opened; stream_start hands it the exchange, and from then on it ends by itself: when the body is
 * whole, when it breaks off (the client's connection is reset, so that nobody takes the part for the
 * whole), or when the client vanishes. A stream owns its errand (binding/errand.h) with its turn at
 * the origin, and a reference on its generation. It holds no more than what one side has given and
 * the other not yet taken: some 48 KiB. A client that reads slowly is waited for; meanwhile nothing
 * is read from the other server.
 */
#ifndef PINION_PLUGIN_STREAM_H
#define PINION_PLUGIN_STREAM_H

#include "contract/capability.h"
#include "net/loop.h"

struct errand;
struct generation;
struct http_exchange;
struct stream;

/* Of one worker, and of one plugin in it. */
enum { STREAMS_MAX = 256, STREAMS_PLUGIN_MAX = 64 };

/* Of one worker. */
struct streams {
    struct loop *loop;
    struct stream *first;
    unsigned count;
};

/* Aborts what is under way. */
void streams_release(struct streams *s);

/*
 * `of_plugin` counts those of its plugin, and outlasts them. NULL: there are too many of them, or
 * of all, or memory is out.
 */
struct stream *stream_new(struct streams *owner, unsigned *of_plugin);
void stream_free(struct stream *s); /* before stream_start; NULL is fine */

/* Takes over the errand; the rest is borrowed, but for a reference on the generation. */
void stream_begin(struct stream *s, struct errand *e, struct generation *g,
                  const struct capability *c, struct text trace_id);

/*
 * Answers the exchange, now or over time. False: it could not begin and has ended, without a word;
 * the exchange is still to be answered.
 */
bool stream_start(struct stream *s, struct http_exchange *x);

#endif
