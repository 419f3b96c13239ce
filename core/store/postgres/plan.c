/*
 * Plans: the statements that a connection has prepared, by their texts; what was not used for longest
 * goes when there are too many.
 */
#include "store/postgres/remote_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { PLANS_MAX = 128 };

static void unlink_plan(struct link *l, struct plan *p)
{
    *(p->newer ? &p->newer->older : &l->newest) = p->older;
    *(p->older ? &p->older->newer : &l->oldest) = p->newer;
    p->newer = p->older = NULL;
}

static void link_newest(struct link *l, struct plan *p)
{
    p->newer = NULL;
    p->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = p;
    l->newest = p;
}

static void plan_free(struct plan *p)
{
    PQclear(p->described);
    free(p);
}

void plans_free(struct link *l)
{
    while (l->newest) {
        struct plan *p = l->newest;
        unlink_plan(l, p);
        plan_free(p);
    }
    map_release(&l->plans);
    buffer_release(&l->key);
}

/* The server forgets it with the next group that is sent; nobody waits for that. */
static void forget(struct link *l, struct plan *p)
{
    char sql[40];
    snprintf(sql, sizeof sql, "deallocate %s", p->name);
    if (link_send(l, sql, NULL) != 0)
        l->broken = true;
}

static void drop(struct link *l, struct plan *p)
{
    unlink_plan(l, p);
    map_remove(&l->plans, p->key);
    l->plan_count--;
    forget(l, p);
    plan_free(p);
}

/* `deallocate` inside of a transaction that failed would fail; then it stays until the next time. */
static void make_room(struct link *l)
{
    struct plan *p = l->oldest;
    while (p && p->uses)
        p = p->newer;
    if (p && l->plan_count >= PLANS_MAX)
        drop(l, p);
}

static struct plan *plan_new(struct link *l, struct text key)
{
    struct plan *p = calloc(1, sizeof *p + key.len + 1);
    if (!p)
        return NULL;
    memcpy(p + 1, key.data, key.len);
    p->key = (struct text){(const char *)(p + 1), key.len};
    snprintf(p->name, sizeof p->name, "p%u", ++l->last_name);
    return p;
}

/* Its parameters and columns, and its BEGIN, in one round trip. */
static int describe(struct session *s, struct plan *p, int64_t until, struct pn_error *err)
{
    struct link *l = s->link;
    struct text sql = {p->key.data + 1, p->key.len - 1};
    PGresult *result = NULL;
    if (!PQsendPrepare(l->conn, p->name, sql.data, 0, NULL) ||
        !PQsendDescribePrepared(l->conn, p->name))
        return session_fail(s, NULL, sql, err);
    int status = link_finish(l, until, &result, err);
    if (status) {
        PQclear(result);
        return session_lose(s, status, err);
    }
    p->described = result;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return session_fail(s, result, sql, err);
    return PQnparams(result) <= STORE_PARAMETERS_MAX
               ? 0
               : pn_error_set(err, PN_EINVAL, "parameters are $1 to $%d", STORE_PARAMETERS_MAX);
}

static int keep(struct link *l, struct plan *p, struct pn_error *err)
{
    if (map_put(&l->plans, p->key, p) != 0)
        return pn_error_set(err, PN_ENOMEM, "out of memory in a statement");
    link_newest(l, p);
    l->plan_count++;
    return 0;
}

static int plan_make(struct session *s, struct text key, int64_t until, struct plan **out,
                     struct pn_error *err)
{
    struct link *l = s->link;
    bool writes = false;
    int status =
        lexer_check((struct text){key.data + 1, key.len - 1}, (enum mode)key.data[0], &writes, err);
    if (status)
        return session_refuse(s, status, err);
    make_room(l);
    struct plan *p = plan_new(l, key);
    if (!p)
        return pn_error_set(err, PN_ENOMEM, "out of memory in a statement");
    p->writes = writes;
    status = describe(s, p, until, err);
    if (status == 0)
        status = keep(l, p, err);
    if (status == 0) {
        *out = p;
        return 0;
    }
    if (s->link == l && PQresultStatus(p->described) == PGRES_COMMAND_OK)
        forget(l, p); /* it was prepared all the same */
    plan_free(p);
    return status;
}

int plan_get(struct session *s, struct text sql, enum mode mode, int64_t until, struct plan **out,
             struct pn_error *err)
{
    struct link *l = s->link;
    buffer_clear(&l->key);
    buffer_append_char(&l->key, (char)mode);
    buffer_append_text(&l->key, sql);
    if (l->key.failed) {
        buffer_release(&l->key);
        return pn_error_set(err, PN_ENOMEM, "out of memory in a statement");
    }
    struct plan *p = map_get(&l->plans, buffer_text(&l->key));
    if (!p)
        return plan_make(s, buffer_text(&l->key), until, out, err);
    unlink_plan(l, p);
    link_newest(l, p);
    *out = p;
    return 0;
}
