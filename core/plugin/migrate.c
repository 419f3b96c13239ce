#include "plugin/migrate.h"

#include "base/log.h"
#include "lua/scheduler.h"

#include <stdlib.h>

int migrate_apply(const struct plugin *p, const struct generation *g, int *applied,
                  struct pn_error *err)
{
    struct migration *list;
    size_t count;
    enum migration_engine engine = p->is_remote ? MIGRATION_POSTGRESQL : MIGRATION_SQLITE;
    int rc = generation_migrations(&g->bundle, engine, &list, &count, err);
    if (rc != 0)
        return rc;
    *applied = 0;
    if (count && !g->scope.store)
        rc = pn_error_set(err, PN_EINVAL, "'%s' has migrations but no database", p->name);
    else if (count)
        rc = migrations_apply(g->scope.store, list, count, applied, err);
    free(list);
    return rc;
}

void migrate_catch_up(struct plugin *p, const struct generation *g)
{
    struct pn_error err;
    int applied = 0;
    if (!p->is_home || !g->scope.store)
        return;
    p->must_catch_up = p->is_remote && !task_current();
    if (p->must_catch_up)
        return;
    if (migrate_apply(p, g, &applied, &err) != 0)
        LOG(LOG_WARN, "the database is not as its plugin expects",
            LOG_STRING("generation", g->label), LOG_STRING("error", err.message));
    else if (applied)
        LOG(LOG_WARN, "the database was behind its plugin, and was migrated",
            LOG_STRING("generation", g->label), LOG_INT("migrations", applied));
}
