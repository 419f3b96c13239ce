#include "plugin/query_cache.h"

#include "base/random.h"
#include "base/siphash.h"

#include <stdlib.h>

struct query_entry {
    struct text key, body; /* owned, behind the struct */
    int64_t version, expires;
    uint64_t sent[CONTRACT_MEMBERS_MAX / 64];
    struct query_entry *newer, *older;
};

static size_t size_of(const struct query_entry *e)
{
    return sizeof *e + e->key.len + e->body.len;
}

static void unlink_entry(struct query_cache *c, struct query_entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(struct query_cache *c, struct query_entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop(struct query_cache *c, struct query_entry *e)
{
    unlink_entry(c, e);
    map_remove(&c->entries, e->key);
    c->count--;
    c->bytes -= size_of(e);
    free(e);
}

void query_cache_release(struct query_cache *c)
{
    while (c->newest)
        drop(c, c->newest);
    map_release(&c->entries);
    map_release(&c->flights);
}

static void add_part(struct buffer *key, struct text part)
{
    uint32_t len = (uint32_t)part.len;
    buffer_append(key, &len, sizeof len);
    buffer_append_text(key, part);
}

/* Maps hash with FNV-1a, which whoever sends inputs can make collide: not with a secret at the end. */
static void add_hash(struct query_cache *c, struct buffer *key)
{
    if (!c->secret[0])
        random_secret(c->secret, sizeof c->secret);
    c->secret[0] |= 1;
    uint64_t hash = siphash(c->secret, buffer_text(key));
    buffer_append(key, &hash, sizeof hash);
}

static size_t size_of_input(const struct call_input *in)
{
    size_t size = in->body.len;
    for (size_t i = 0; i < in->parameter_count; i++)
        size += in->parameters[i].name.len + in->parameters[i].value.len;
    return size;
}

bool query_ticket_begin(struct query_cache *c, struct query_ticket *t, const struct call *call)
{
    const struct call_input *in = &call->in;
    *t = (struct query_ticket){.key = t->key, .version = -1};
    buffer_clear(&t->key);
    if (size_of_input(in) > QUERY_CACHE_KEY)
        return false;
    add_part(&t->key, call->capability->key);
    add_part(&t->key, in->body);
    for (size_t i = 0; i < in->parameter_count; i++) {
        add_part(&t->key, in->parameters[i].name);
        add_part(&t->key, in->parameters[i].value);
    }
    add_hash(c, &t->key);
    if (!t->key.failed)
        return true;
    buffer_release(&t->key);
    return false;
}

bool query_cache_find(struct query_cache *c, const struct query_ticket *t, int64_t now,
                      struct query_answer *out)
{
    struct query_entry *e = map_get(&c->entries, buffer_text(&t->key));
    if (!e)
        return false;
    if (e->version != t->version || now >= e->expires) {
        drop(c, e);
        return false;
    }
    unlink_entry(c, e);
    link_newest(c, e);
    *out = (struct query_answer){.body = e->body, .sent = e->sent};
    return true;
}

/* Before it runs, it has read nothing yet: what it will read is new enough. */
bool query_cache_wait(struct query_cache *c, struct query_ticket *t)
{
    struct query_ticket *leader = map_get(&c->flights, buffer_text(&t->key));
    if (!leader || c->waiters >= QUERY_CACHE_WAITERS ||
        (leader->reads && (leader->version < 0 || leader->version != t->version)))
        return false;
    *(leader->last ? &leader->last->next : &leader->waiters) = t;
    leader->last = t;
    c->waiters++;
    return true;
}

/* One that reads what is older by now has lost its place, and those that wait for it need none. */
void query_cache_lead(struct query_cache *c, struct query_ticket *t)
{
    struct text key = buffer_text(&t->key);
    map_remove(&c->flights, key);
    t->leads = true;
    map_put(&c->flights, key, t);
}

void query_cache_run(struct query_ticket *t, int64_t version)
{
    t->reads = true;
    t->version = version;
}

static struct query_entry *entry_new(const struct query_ticket *t, struct text body)
{
    struct text key = buffer_text(&t->key);
    struct query_entry *e = calloc(1, sizeof *e + key.len + body.len);
    if (!e)
        return NULL;
    char *data = (char *)(e + 1);
    memcpy(data, key.data, key.len);
    if (body.len)
        memcpy(data + key.len, body.data, body.len);
    e->key = (struct text){data, key.len};
    e->body = (struct text){data + key.len, body.len};
    e->version = t->version;
    return e;
}

void query_cache_keep(struct query_cache *c, const struct query_ticket *t, struct text body,
                      const uint64_t *sent, int64_t expires)
{
    struct text key = buffer_text(&t->key);
    if (map_get(&c->flights, key) != t)
        return; /* another one has its place, or had, and read what is newer */
    struct query_entry *e = map_get(&c->entries, key);
    if (e)
        drop(c, e);
    if (t->version < 0 || body.len + t->key.len > QUERY_CACHE_ONE || !(e = entry_new(t, body)))
        return;
    e->expires = expires;
    memcpy(e->sent, sent, sizeof e->sent);
    while (c->oldest &&
           (c->count == QUERY_CACHE_ENTRIES || c->bytes + size_of(e) > QUERY_CACHE_BYTES))
        drop(c, c->oldest);
    if (map_put(&c->entries, e->key, e) != 0) {
        free(e);
        return;
    }
    link_newest(c, e);
    c->count++;
    c->bytes += size_of(e);
}

struct query_ticket *query_cache_settle(struct query_cache *c, struct query_ticket *t)
{
    struct text key = buffer_text(&t->key);
    struct query_ticket *waiters = t->waiters;
    if (map_get(&c->flights, key) == t)
        map_remove(&c->flights, key);
    for (const struct query_ticket *w = waiters; w; w = w->next)
        c->waiters--;
    t->waiters = t->last = NULL;
    t->leads = false;
    return waiters;
}
