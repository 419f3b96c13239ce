/*
 * Pool: a store's connections of this process. Who wants one waits in turn; new ones are made in
 * threads, and after a failure with a growing pause, so that a server that comes up again is not
 * overrun. A connection that the server closes while it is idle goes at once.
 */
#include "base/clock.h"
#include "base/log.h"
#include "store/postgres/remote_parts.h"

#include <stdlib.h>

enum {
    PAUSE_MS = 50,
    PAUSE_MS_MAX = 2000,
    SKIPPED_MAX = 1 << 20, /* bytes of rows nobody wants: a new connection costs less than more */
};

struct connect {
    struct thread_job job; /* first */
    struct remote *remote;
    PGconn *conn;
    int status;
    struct pn_error err;
};

static void wake_first(struct remote *r)
{
    if (!r->first)
        return;
    r->first->called = true;
    r->fibers->wake(r->first->task);
}

static void close_idle(struct link *l)
{
    struct remote *r = l->remote;
    struct link **at = &r->idle;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    link_free(l);
    r->link_count--;
}

/* What is still owed to a link comes while it is idle; anything else is the server's farewell. */
void pool_notice(struct link *l)
{
    int nothing = 0;
    bool good = PQconsumeInput(l->conn) == 1;
    while (good && l->owed && !PQisBusy(l->conn)) {
        PGresult *result = PQgetResult(l->conn);
        l->owed -= PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        nothing = result ? 0 : nothing + 1;
        l->skipped += PQresultMemorySize(result);
        PQclear(result);
        good = PQstatus(l->conn) == CONNECTION_OK && nothing <= LINK_NOTHING_MAX &&
               l->skipped <= SKIPPED_MAX;
    }
    if (!good || PQstatus(l->conn) != CONNECTION_OK)
        close_idle(l);
}

static void add_idle(struct link *l)
{
    struct remote *r = l->remote;
    l->is_idle = true;
    l->skipped = 0;
    l->next = r->idle;
    r->idle = l;
    link_listen(l);
    wake_first(r);
}

static void run_connect(struct thread_job *job)
{
    struct connect *c = (struct connect *)job;
    c->status = setup_run(c->remote, &c->err);
    if (c->status == 0)
        c->status = login_connect(c->remote, LOGIN_PLUGIN, &c->conn, &c->err);
}

/* Between half of it and all: many hosts do not come at once. */
static int64_t pause_ns(int failures)
{
    int64_t ms = PAUSE_MS << (failures < 6 ? failures - 1 : 5);
    ms = ms < PAUSE_MS_MAX ? ms : PAUSE_MS_MAX;
    return (ms / 2 + clock_monotonic() / 1000 % (ms / 2)) * NS_PER_MS;
}

static void note_failure(struct remote *r, const struct pn_error *err)
{
    if (r->failures++ == 0)
        LOG(LOG_WARN, "a database's server cannot be reached", LOG_STRING("plugin", r->plugin),
            LOG_STRING("error", err->message));
    r->failure = *err;
    r->retry_at = clock_monotonic() + pause_ns(r->failures);
    r->link_count--;
    /* The role may have got another password since: the next one looks, and sets it. A server that has
     * no room refuses likewise, but then there are others, and setting up would need more still. */
    if (err->code == PN_EDENIED && r->link_count == r->connecting)
        r->is_set_up = false;
}

static void note_success(struct remote *r)
{
    if (r->failures)
        LOG(LOG_INFO, "a database's server is reached again", LOG_STRING("plugin", r->plugin));
    r->failures = 0;
    r->retry_at = 0;
}

static struct link *take_up(struct remote *r, struct connect *c)
{
    struct link *l = c->status == 0 ? link_new(r, c->conn) : NULL;
    if (l) {
        note_success(r);
        return l;
    }
    if (c->status == 0) {
        PQfinish(c->conn);
        pn_error_set(&c->err, PN_ENOMEM, "out of memory");
    }
    note_failure(r, &c->err);
    return NULL;
}

static void on_connected(struct thread_job *job)
{
    struct connect *c = (struct connect *)job;
    struct remote *r = c->remote;
    r->connecting--;
    struct link *l = take_up(r, c);
    free(c);
    if (l)
        add_idle(l);
    else
        wake_first(r);
}

/* While the server is away, one try at a time. */
static bool may_connect(const struct remote *r)
{
    return r->link_count < r->limit && (!r->failures || !r->connecting) &&
           clock_monotonic() >= r->retry_at;
}

static void start_connect(struct remote *r)
{
    struct connect *c = calloc(1, sizeof *c);
    if (!c)
        return; /* the next one who waits tries again */
    c->remote = r;
    c->job = (struct thread_job){.run = run_connect, .done = on_connected};
    r->link_count++;
    r->connecting++;
    threads_give(r->threads, &c->job);
}

static struct link *take_idle(struct remote *r)
{
    struct link *l = r->idle;
    if (!l)
        return NULL;
    r->idle = l->next;
    l->next = NULL;
    l->is_idle = false;
    return l;
}

/* Nobody else runs meanwhile, so nobody waits for one either. */
static int take_blocking(struct remote *r, struct link **out, struct pn_error *err)
{
    struct connect c = {.remote = r};
    r->link_count++;
    run_connect(&c.job);
    *out = take_up(r, &c);
    if (!*out)
        return pn_error_set(err, c.err.code, "%s", c.err.message);
    return 0;
}

static void enqueue(struct remote *r, struct link_wait *w)
{
    *(r->last ? &r->last->next : &r->first) = w;
    r->last = w;
}

static void dequeue(struct remote *r, struct link_wait *w)
{
    struct link_wait **at = &r->first, *before = NULL;
    while (*at != w) {
        before = *at;
        at = &before->next;
    }
    *at = w->next;
    if (r->last == w)
        r->last = before;
}

static int give_up(struct remote *r, struct pn_error *err)
{
    if (r->failures)
        return pn_error_set(err, PN_EBUSY, "%s", r->failure.message);
    return pn_error_set(err, PN_EBUSY, "all %d connections to the database are in use", r->limit);
}

static int wait_in_turn(struct remote *r, struct link_wait *w, int64_t until, struct link **out,
                        struct pn_error *err)
{
    while (r->first != w || !(*out = take_idle(r))) {
        int64_t now = clock_monotonic(), end = until ? until : now + 60 * NS_PER_SECOND;
        if (now >= end)
            return give_up(r, err);
        if (may_connect(r))
            start_connect(r);
        if (r->first == w && r->retry_at > now && r->retry_at < end)
            end = r->retry_at;
        w->called = false;
        if (r->fibers->sleep(w->task, end) != 0)
            return pn_error_set(err, PN_ENOMEM, "out of memory");
        if (!r->fibers->goes_on() || (!w->called && clock_monotonic() < end))
            return pn_error_set(err, PN_ECLOSED, "the call has ended");
    }
    return 0;
}

int pool_take(struct remote *r, int64_t until, struct link **out, struct pn_error *err)
{
    struct link_wait w = {.task = r->fibers ? r->fibers->current() : NULL};
    if (!r->first && (*out = take_idle(r)))
        return 0;
    if (!w.task || !r->threads)
        return take_blocking(r, out, err);
    if (!r->fibers->goes_on())
        return pn_error_set(err, PN_ECLOSED,
                            "the call has ended"); /* and none is connected for it */
    enqueue(r, &w);
    int status = wait_in_turn(r, &w, until, out, err);
    dequeue(r, &w);
    if (r->idle || may_connect(r))
        wake_first(r);
    return status;
}

void pool_give(struct link *l)
{
    struct remote *r = l->remote;
    if (!l->broken && !l->spoilt && PQstatus(l->conn) == CONNECTION_OK) {
        add_idle(l);
        return;
    }
    link_free(l);
    r->link_count--;
    wake_first(r);
}

void pool_close(struct remote *r)
{
    while (r->idle)
        close_idle(r->idle);
    if (r->threads && r->connecting)
        threads_wait(r->threads);
    while (r->idle)
        close_idle(r->idle);
}
