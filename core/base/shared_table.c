/*
 * Shared: the pairs of one shard, and how a shard is made good again.
 *
 * An entry is filled before a link to it is published, and its blocks are given back after the last
 * link to it is gone. So at every instruction the chains of the buckets hold whole entries.
 */
#include "base/shared_parts.h"
#include "base/siphash.h"

static uint32_t next_of(const _Atomic uint32_t *link)
{
    return atomic_load_explicit(link, memory_order_relaxed);
}

/* ---- bytes in a chain of blocks */

/* How many bytes are at this place, of those wanted; goes on to the next block first. */
static size_t piece(const struct table *t, struct place *p, size_t wanted)
{
    if (p->left == 0) {
        struct block *b = table_block(t, p->more);
        *p = (struct place){b->data, BLOCK_DATA, b->more};
    }
    return wanted < p->left ? wanted : p->left;
}

static void pass(struct place *p, size_t n)
{
    p->at += n;
    p->left -= n;
}

static void put(const struct table *t, struct place *p, struct text data)
{
    for (size_t done = 0, n; done < data.len; done += n) {
        n = piece(t, p, data.len - done);
        memcpy(p->at, data.data + done, n);
        pass(p, n);
    }
}

static bool same(const struct table *t, struct place *p, struct text data)
{
    for (size_t done = 0, n; done < data.len; done += n) {
        n = piece(t, p, data.len - done);
        if (memcmp(p->at, data.data + done, n) != 0)
            return false;
        pass(p, n);
    }
    return true;
}

static void copy_out(const struct table *t, struct place *p, size_t len, struct buffer *out)
{
    for (size_t done = 0, n; done < len; done += n) {
        n = piece(t, p, len - done);
        buffer_append(out, p->at, n);
        pass(p, n);
    }
}

static struct place value_place(const struct table *t, struct entry *e)
{
    struct place p = entry_place(e);
    for (size_t done = 0, n; done < e->key_len; done += n) {
        n = piece(t, &p, e->key_len - done);
        pass(&p, n);
    }
    return p;
}

/* ---- what is derived from the chains */

static void unlink_use(const struct table *t, uint32_t number)
{
    struct entry *e = table_entry(t, number);
    *(e->newer ? &table_entry(t, e->newer)->older : &t->shard->newest) = e->older;
    *(e->older ? &table_entry(t, e->older)->newer : &t->shard->oldest) = e->newer;
}

static void link_newest(const struct table *t, uint32_t number)
{
    struct entry *e = table_entry(t, number);
    struct shard *s = t->shard;
    e->newer = 0;
    e->older = s->newest;
    *(s->newest ? &table_entry(t, s->newest)->newer : &s->oldest) = number;
    s->newest = number;
}

static void touch(const struct table *t, uint32_t number)
{
    if (t->shard->newest == number)
        return;
    unlink_use(t, number);
    link_newest(t, number);
}

static void give_blocks(const struct table *t, uint32_t first)
{
    struct shard *s = t->shard;
    uint32_t last = first, count = 1;
    for (; table_block(t, last)->more; count++)
        last = table_block(t, last)->more;
    table_block(t, last)->more = s->free;
    s->free = first;
    s->free_count += count;
}

/* ---- entries */

/* The link that leads to the entry of that key, or the empty one at the end of its chain. */
static _Atomic uint32_t *find(const struct table *t, struct text key, uint32_t hash)
{
    _Atomic uint32_t *link = &t->buckets[hash & t->bucket_mask];
    for (uint32_t n; (n = next_of(link));) {
        struct entry *e = table_entry(t, n);
        struct place p = entry_place(e);
        if (e->hash == hash && e->key_len == key.len && same(t, &p, key))
            break;
        link = &e->next;
    }
    return link;
}

static void remove_at(const struct table *t, _Atomic uint32_t *link)
{
    uint32_t number = next_of(link);
    publish(link, next_of(&table_entry(t, number)->next));
    unlink_use(t, number);
    give_blocks(t, number);
    t->shard->entries--;
}

static void evict(const struct table *t)
{
    uint32_t number = t->shard->oldest;
    _Atomic uint32_t *link = &t->buckets[table_entry(t, number)->hash & t->bucket_mask];
    while (next_of(link) != number)
        link = &table_entry(t, next_of(link))->next;
    remove_at(t, link);
    t->shard->evictions++;
}

/* The first of a chain of that many blocks; 0: so many there are not. */
static uint32_t allocate(const struct table *t, size_t count)
{
    struct shard *s = t->shard;
    uint32_t first = 0;
    while (s->free_count + (t->block_count - s->touched) < count) {
        if (!s->oldest)
            return 0;
        evict(t);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t n = s->free;
        if (n) {
            s->free = table_block(t, n)->more;
            s->free_count--;
        } else {
            n = ++s->touched;
        }
        table_block(t, n)->more = first;
        first = n;
    }
    return first;
}

static uint32_t make(const struct table *t, struct text key, uint32_t hash,
                     const struct shared_value *value, int64_t expires)
{
    struct text text = value->is_integer ? (struct text){NULL, 0} : value->text;
    uint32_t number = allocate(t, blocks_needed(key.len + text.len));
    if (!number)
        return 0;
    struct entry *e = table_entry(t, number);
    e->hash = hash;
    e->key_len = (uint16_t)key.len;
    e->value_len = (uint32_t)text.len;
    e->is_integer = value->is_integer;
    atomic_store_explicit(&e->integer, value->integer, memory_order_relaxed);
    e->expires = expires;
    struct place p = entry_place(e);
    put(t, &p, key);
    put(t, &p, text);
    return number;
}

/* Looks for the key last: making room may have moved it, or evicted it. */
static int replace(const struct table *t, struct text key, uint32_t hash,
                   const struct shared_value *value, int64_t expires, struct pn_error *err)
{
    uint32_t number = make(t, key, hash, value, expires);
    if (!number)
        return pn_error_set(err, PN_ELIMIT, "a value of %zu bytes has no room", value->text.len);
    _Atomic uint32_t *link = find(t, key, hash);
    uint32_t old = next_of(link);
    atomic_store_explicit(&table_entry(t, number)->next,
                          old ? next_of(&table_entry(t, old)->next) : 0, memory_order_relaxed);
    publish(link, number);
    if (old) {
        unlink_use(t, old);
        give_blocks(t, old);
        t->shard->entries--;
    }
    link_newest(t, number);
    t->shard->entries++;
    return 0;
}

static bool has_expired(const struct entry *e, int64_t now)
{
    return e->expires && e->expires <= now;
}

/* The entry of that key; one that has expired goes. */
static struct entry *look(const struct table *t, struct text key, uint32_t hash, int64_t now,
                          _Atomic uint32_t **link)
{
    *link = find(t, key, hash);
    if (!next_of(*link))
        return NULL;
    struct entry *e = table_entry(t, next_of(*link));
    if (!has_expired(e, now))
        return e;
    remove_at(t, *link);
    return NULL;
}

/* ---- repair */

void table_clear(struct table *t)
{
    struct shard *s = t->shard;
    for (uint32_t i = 0; i <= t->bucket_mask; i++)
        publish(&t->buckets[i], 0);
    s->touched = s->free = s->free_count = s->newest = s->oldest = s->entries = 0;
}

static bool is_marked(const struct table *t, uint32_t number)
{
    return t->marks[(number - 1) / 64] >> ((number - 1) % 64) & 1;
}

static void mark(const struct table *t, uint32_t number)
{
    t->marks[(number - 1) / 64] |= UINT64_C(1) << ((number - 1) % 64);
}

static void clear_marks(const struct table *t)
{
    memset(t->marks, 0, (t->block_count + 63) / 64 * sizeof *t->marks);
}

/* Marks an entry's blocks; false: it is none, or has blocks of another one. */
static bool mark_entry(const struct table *t, uint32_t number)
{
    if (number > t->shard->touched || is_marked(t, number))
        return false;
    const struct entry *e = table_entry(t, number);
    if (e->key_len == 0 || e->key_len > SHARED_KEY_MAX || e->value_len > SHARED_VALUE_MAX)
        return false;
    size_t left = blocks_needed((size_t)e->key_len + e->value_len);
    for (uint32_t n = number; n; n = table_block(t, n)->more) {
        if (left-- == 0 || n > t->shard->touched || is_marked(t, n))
            return false;
        mark(t, n);
    }
    return left == 0;
}

void table_repair(struct table *t)
{
    struct shard *s = t->shard;
    s->free = s->free_count = s->newest = s->oldest = s->entries = 0;
    s->repairs++;
    if (s->touched > t->block_count)
        s->touched = t->block_count;
    clear_marks(t);
    for (uint32_t i = 0; i <= t->bucket_mask; i++) {
        _Atomic uint32_t *link = &t->buckets[i];
        for (uint32_t n; (n = next_of(link)); link = &table_entry(t, n)->next) {
            if (!mark_entry(t, n)) { /* never seen; a chain that cannot be followed ends */
                publish(link, 0);
                break;
            }
            link_newest(t, n);
            s->entries++;
        }
    }
    for (uint32_t n = 1; n <= s->touched; n++) {
        if (is_marked(t, n))
            continue;
        table_block(t, n)->more = s->free;
        s->free = n;
        s->free_count++;
    }
}

static bool chains_are_sound(struct table *t, uint32_t *entries)
{
    *entries = 0;
    for (uint32_t i = 0; i <= t->bucket_mask; i++) {
        for (uint32_t n = next_of(&t->buckets[i]); n; n = next_of(&table_entry(t, n)->next)) {
            if (!mark_entry(t, n) || (table_entry(t, n)->hash & t->bucket_mask) != i)
                return false;
            ++*entries;
        }
    }
    return true;
}

bool table_is_sound(struct table *t)
{
    struct shard *s = t->shard;
    uint32_t entries, free = 0, used = 0, marked = 0, newer = 0;
    clear_marks(t);
    if (!chains_are_sound(t, &entries) || entries != s->entries)
        return false;
    for (uint32_t n = 1; n <= s->touched; n++)
        marked += is_marked(t, n);
    for (uint32_t n = s->free; n; n = table_block(t, n)->more, free++)
        if (n > s->touched || is_marked(t, n) || free > s->free_count)
            return false;
    for (uint32_t n = s->newest; n; newer = n, n = table_entry(t, n)->older, used++)
        if (used > entries || table_entry(t, n)->newer != newer)
            return false;
    return free == s->free_count && free + marked == s->touched && used == entries &&
           newer == s->oldest;
}

/* ---- what processes do */

static void leave(struct table *t)
{
    pthread_mutex_unlock(&t->shard->lock);
}

/* The shard of a key, locked. */
static int enter(const struct shared_space *space, struct text key, uint32_t *hash, struct table *t,
                 struct pn_error *err)
{
    if (key.len == 0 || key.len > SHARED_KEY_MAX)
        return pn_error_set(err, PN_ELIMIT, "a key has 1 to %d bytes", SHARED_KEY_MAX);
    uint64_t wide = siphash(space->shared->key, key);
    *hash = (uint32_t)wide;
    *t = shared_table(space->shared, space->index, (int)(wide >> 32 & (SHARDS - 1)));
    int rc = shared_lock(&t->shard->lock, err);
    if (rc < 0)
        return rc;
    if (rc > 0)
        table_repair(t);
    if (t->shard->epoch == space->epoch)
        return 0;
    leave(t);
    return pn_error_set(err, PN_ECLOSED, "the plugin was taken out of service");
}

static int check_size(const struct shared_value *value, struct pn_error *err)
{
    if (value->is_integer || value->text.len <= SHARED_VALUE_MAX)
        return 0;
    return pn_error_set(err, PN_ELIMIT, "a value of %zu bytes is longer than %d", value->text.len,
                        SHARED_VALUE_MAX);
}

int shared_get(const struct shared_space *space, struct text key, int64_t now,
               struct shared_value *out, struct buffer *text, struct pn_error *err)
{
    struct table t;
    uint32_t hash;
    _Atomic uint32_t *link;
    int rc = enter(space, key, &hash, &t, err);
    if (rc != 0)
        return rc;
    size_t begun = text->len;
    struct entry *e = look(&t, key, hash, now, &link);
    if (e) {
        struct place p = value_place(&t, e);
        *out =
            (struct shared_value){.is_integer = e->is_integer, .integer = atomic_load(&e->integer)};
        copy_out(&t, &p, e->value_len, text);
        touch(&t, next_of(link));
    }
    leave(&t);
    if (!e)
        return 0;
    if (text->failed)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    out->text = (struct text){buffer_text(text).data + begun, text->len - begun};
    return 1;
}

int shared_set(const struct shared_space *space, struct text key, const struct shared_value *value,
               int64_t expires, struct pn_error *err)
{
    struct table t;
    uint32_t hash;
    int rc = check_size(value, err);
    if (rc != 0 || (rc = enter(space, key, &hash, &t, err)) != 0)
        return rc;
    rc = replace(&t, key, hash, value, expires, err);
    leave(&t);
    return rc;
}

static bool is_value(const struct table *t, struct entry *e, const struct shared_value *value)
{
    if (!e || !value)
        return !e && !value;
    if (e->is_integer != value->is_integer)
        return false;
    if (e->is_integer)
        return atomic_load(&e->integer) == value->integer;
    struct place p = value_place(t, e);
    return e->value_len == value->text.len && same(t, &p, value->text);
}

int shared_swap(const struct shared_space *space, struct text key,
                const struct shared_value *expected, const struct shared_value *value, int64_t now,
                int64_t expires, struct pn_error *err)
{
    struct table t;
    uint32_t hash;
    _Atomic uint32_t *link;
    int rc = check_size(value, err);
    if (rc != 0 || (rc = enter(space, key, &hash, &t, err)) != 0)
        return rc;
    bool done = is_value(&t, look(&t, key, hash, now, &link), expected);
    if (done)
        rc = replace(&t, key, hash, value, expires, err);
    leave(&t);
    return rc != 0 ? rc : done;
}

int shared_delete(const struct shared_space *space, struct text key, int64_t now,
                  struct pn_error *err)
{
    struct table t;
    uint32_t hash;
    _Atomic uint32_t *link;
    int rc = enter(space, key, &hash, &t, err);
    if (rc != 0)
        return rc;
    bool there = look(&t, key, hash, now, &link) != NULL;
    if (there)
        remove_at(&t, link);
    leave(&t);
    return there;
}

static int add_to(const struct table *t, struct entry *e, uint32_t number, int64_t by, int64_t *sum,
                  struct pn_error *err)
{
    if (!e->is_integer)
        return pn_error_set(err, PN_EINVAL, "it is not an integer");
    if (__builtin_add_overflow(atomic_load(&e->integer), by, sum))
        return pn_error_set(err, PN_ELIMIT, "the sum does not fit 64 bits");
    atomic_store(&e->integer, *sum);
    touch(t, number);
    return 0;
}

int shared_add(const struct shared_space *space, struct text key, int64_t by, int64_t now,
               int64_t expires, int64_t *sum, struct pn_error *err)
{
    struct table t;
    uint32_t hash;
    _Atomic uint32_t *link;
    int rc = enter(space, key, &hash, &t, err);
    if (rc != 0)
        return rc;
    struct entry *e = look(&t, key, hash, now, &link);
    if (e) {
        rc = add_to(&t, e, next_of(link), by, sum, err);
    } else {
        *sum = by;
        rc = replace(&t, key, hash, &(struct shared_value){.is_integer = true, .integer = by},
                     expires, err);
    }
    leave(&t);
    return rc;
}

bool shared_inspect(const struct shared_space *space, struct shared_figures *out)
{
    bool sound = true;
    *out = (struct shared_figures){.entries = 0};
    for (int i = 0; i < SHARDS; i++) {
        struct table t = shared_table(space->shared, space->index, i);
        int rc = shared_lock(&t.shard->lock, NULL);
        if (rc < 0)
            return false;
        if (rc > 0)
            table_repair(&t);
        sound = sound && table_is_sound(&t);
        out->entries += t.shard->entries;
        out->bytes += (uint64_t)(t.shard->touched - t.shard->free_count) * BLOCK_SIZE;
        out->evictions += t.shard->evictions;
        out->repairs += t.shard->repairs;
        leave(&t);
    }
    return sound;
}
