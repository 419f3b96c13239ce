#include "plugin/hold.h"

#include "base/log.h"
#include "store/repair.h"

enum { REPAIR_AGAIN_MS = 1000 };

static void list_open(struct hold *h)
{
    if (h->is_open)
        return;
    h->is_open = true;
    h->next_open = h->all->open;
    h->all->open = h;
}

static void unlist_open(struct hold *h)
{
    struct hold **at = &h->all->open;
    if (!h->is_open)
        return;
    while (*at != h)
        at = &(*at)->next_open;
    *at = h->next_open;
    h->is_open = false;
}

static void tell(struct held *list, const struct pn_error *failure)
{
    while (list) {
        struct held *h = list;
        list = h->next;
        h->settled(h, failure);
    }
}

static void wake_settling(struct hold *h)
{
    struct task *t = h->settling;
    h->settling = NULL;
    if (t)
        task_wake(t);
}

/* The work of one job: `run` in a thread, then `done` here. */
static void give(struct hold *h, void (*run)(struct thread_job *),
                 void (*done)(struct thread_job *))
{
    h->job = (struct thread_job){.run = run, .done = done};
    h->busy = true;
    scheduler_bar(h->all->scheduler, h->share, true);
    if (h->all->threads) {
        threads_give(h->all->threads, &h->job);
        return;
    }
    run(&h->job);
    done(&h->job);
}

static void take_back(struct hold *h)
{
    h->busy = false;
    scheduler_bar(h->all->scheduler, h->share, false);
}

static void repair(struct hold *h);

static void on_retry(void *user)
{
    struct hold *h = user;
    if (store_is_suspect(h->store) && !h->busy)
        repair(h);
}

static void run_repair(struct thread_job *job)
{
    repair_run(((struct hold *)job)->store);
}

static void on_repaired(struct thread_job *job)
{
    struct hold *h = (struct hold *)job;
    struct pn_error err;
    h->busy = false;
    if (repair_end(h->store, &err) == 0) {
        LOG(LOG_WARN, "a database is used again after a failure of the disk",
            LOG_STRING("path", store_path(h->store)));
    } else {
        LOG(LOG_ERROR, "a database cannot be used after a failure of the disk",
            LOG_STRING("error", err.message));
        if (!h->all->closing)
            loop_timer_start(&h->retry, h->all->loop, REPAIR_AGAIN_MS, false, on_retry, h);
    }
    wake_settling(h);
}

/* Commands are not barred meanwhile: the store refuses them, and their callers try again. */
static void repair(struct hold *h)
{
    if (h->busy || loop_timer_is_started(&h->retry))
        return;
    give(h, run_repair, on_repaired);
    scheduler_bar(h->all->scheduler, h->share, false);
}

static void run_checkpoint(struct thread_job *job)
{
    group_checkpoint(((struct hold *)job)->store);
}

static void go_on(struct hold *h);

static void on_checkpointed(struct thread_job *job)
{
    struct hold *h = (struct hold *)job;
    struct pn_error err;
    if (group_end(h->store, &err) != 0)
        LOG(LOG_WARN, "a database's log could not be copied into it",
            LOG_STRING("error", err.message));
    take_back(h);
    go_on(h);
}

/* No group is open: what there is to do before the next one. */
static void go_on(struct hold *h)
{
    if (store_is_suspect(h->store)) {
        repair(h);
    } else if (group_checkpoint_is_due(h->store)) {
        group_checkpoint_start(h->store);
        give(h, run_checkpoint, on_checkpointed);
        return;
    }
    wake_settling(h);
}

/* Whoever is told may begin a command at once: all is in order before. */
static void end_group(struct hold *h)
{
    struct pn_error err = {.code = 0};
    struct held *list = h->first;
    h->first = h->last = NULL;
    int status = group_end(h->store, &err);
    if (h->busy)
        take_back(h);
    if (status != 0 && list)
        LOG(LOG_ERROR, "a group of commands was not committed", LOG_STRING("error", err.message));
    go_on(h);
    tell(list, status ? &err : NULL);
}

static void run_commit(struct thread_job *job)
{
    group_commit(((struct hold *)job)->store);
}

static void on_committed(struct thread_job *job)
{
    end_group((struct hold *)job);
}

static void close_group(struct hold *h)
{
    unlist_open(h);
    if (group_close(h->store))
        give(h, run_commit, on_committed);
    else
        end_group(h);
}

/* The end of a tick: a group that nobody is about to join waits no longer. */
static void on_tick(void *user)
{
    struct holds *all = user;
    struct hold *h = all->open;
    while (h) {
        if (share_has_exclusive(h->share) && !h->settling) {
            h = h->next_open;
            continue;
        }
        close_group(h);
        h = all->open; /* whoever was told may have changed the list */
    }
}

int holds_init(struct holds *all, struct loop *loop, struct scheduler *scheduler)
{
    *all = (struct holds){.loop = loop, .scheduler = scheduler};
    return loop_on_tick(loop, on_tick, all);
}

void holds_flush(struct holds *all)
{
    all->closing = true;
    do {
        while (all->open)
            close_group(all->open);
        if (all->threads)
            threads_wait(all->threads);
    } while (all->open);
}

void holds_release(struct holds *all)
{
    holds_flush(all);
    for (struct hold *h = all->known; h; h = h->next_known)
        loop_timer_stop(&h->retry);
    if (all->loop)
        loop_off_tick(all->loop, on_tick, all);
}

static void know(struct holds *all, struct hold *h, struct store *store, struct share *share)
{
    if (h->all)
        return;
    h->all = all;
    h->store = store;
    h->share = share;
    h->next_known = all->known;
    all->known = h;
}

static void add(struct hold *h, struct held *one)
{
    one->next = NULL;
    *(h->last ? &h->last->next : &h->first) = one;
    h->last = one;
}

void hold_command(struct holds *all, struct hold *h, struct store *store, struct share *share,
                  struct held *one)
{
    know(all, h, store, share);
    bool waits = one && group_is_open(store);
    if (waits)
        add(h, one);
    if (group_is_full(store))
        close_group(h);
    else if (group_is_open(store))
        list_open(h);
    else if (store_is_suspect(store))
        repair(h);
    if (one && !waits) /* it was alone, and failed */
        one->settled(one, NULL);
}

void hold_settle(struct hold *h, struct task *t)
{
    while (h->all && (h->busy || group_is_open(h->store))) {
        h->settling = t;
        if (!h->busy)
            list_open(h); /* for the loop to close: nobody may be told anything from a fiber */
        task_park(t);
    }
}
