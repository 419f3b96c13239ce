#include "http/connection.h"

#include <stdlib.h>

/*
 * Free lists, last in first out, so that the memory a request uses is still in the cache. In builds
 * that look for mistakes nothing is kept: the sanitizer sees every use after the end.
 */
#ifdef PINION_POISON
enum { KEEP_BUFFERS = 0, KEEP_CONNECTIONS = 0 };
#else
enum { KEEP_BUFFERS = 64, KEEP_CONNECTIONS = 1024 };
#endif

struct http_work *server_take_work(struct http_server *s)
{
    struct http_work *work = s->free_works;
    if (!work)
        return malloc(sizeof *work);
    s->free_works = work->next;
    s->free_work_count--;
    return work;
}

void server_give_work(struct http_server *s, struct http_work *work)
{
    if (s->free_work_count >= KEEP_BUFFERS) {
        free(work);
        return;
    }
    work->next = s->free_works;
    s->free_works = work;
    s->free_work_count++;
}

struct http_block *server_take_block(struct http_server *s)
{
    struct http_block *block = s->free_blocks;
    if (!block)
        return malloc(sizeof *block);
    s->free_blocks = block->next;
    s->free_block_count--;
    return block;
}

void server_give_block(struct http_server *s, struct http_block *block)
{
    if (s->free_block_count >= KEEP_BUFFERS) {
        free(block);
        return;
    }
    block->next = s->free_blocks;
    s->free_blocks = block;
    s->free_block_count++;
}

struct connection *server_take_connection(struct http_server *s)
{
    struct connection *c = s->free_connections;
    if (!c)
        return calloc(1, sizeof *c);
    s->free_connections = c->ready_next;
    s->free_connection_count--;
    memset(c, 0, sizeof *c);
    return c;
}

void server_give_connection(struct http_server *s, struct connection *c)
{
    if (s->free_connection_count >= KEEP_CONNECTIONS) {
        free(c);
        return;
    }
    c->ready_next = s->free_connections;
    s->free_connections = c;
    s->free_connection_count++;
}

void server_release_pools(struct http_server *s)
{
    while (s->free_works) {
        struct http_work *next = s->free_works->next;
        free(s->free_works);
        s->free_works = next;
    }
    while (s->free_blocks) {
        struct http_block *next = s->free_blocks->next;
        free(s->free_blocks);
        s->free_blocks = next;
    }
    while (s->free_connections) {
        struct connection *next = s->free_connections->ready_next;
        free(s->free_connections);
        s->free_connections = next;
    }
}
