#include "host/documents.h"

#include "admin/admin.h"

/* Answers what waits for this id, or (0) for anything of this worker. */
static void answer(struct documents *d, int worker, uint32_t id, struct text document)
{
    for (size_t i = 0; i < d->count;) {
        if (d->waiting[i].worker != worker || (id && d->waiting[i].id != id)) {
            i++;
            continue;
        }
        struct http_exchange *x = d->waiting[i].exchange;
        d->waiting[i] = d->waiting[--d->count];
        admin_answer_openapi(x, document);
    }
}

static void on_description(void *user, int worker, uint32_t id, struct text document)
{
    answer(user, worker, id, document);
}

static void on_lost(void *user, int worker)
{
    answer(user, worker, 0, TEXT(""));
}

void documents_init(struct documents *d, struct links *links)
{
    *d = (struct documents){.links = links};
    links->user = d;
    links->description = on_description;
    links->lost = on_lost;
}

bool documents_ask(void *user, struct http_exchange *x)
{
    struct documents *d = user;
    if (d->count == DOCUMENTS_MAX)
        return false;
    if (++d->last_id == 0)
        d->last_id = 1;
    int worker = links_describe(d->links, d->last_id);
    if (worker < 0)
        return false;
    d->waiting[d->count].exchange = x;
    d->waiting[d->count].id = d->last_id;
    d->waiting[d->count++].worker = worker;
    return true;
}
