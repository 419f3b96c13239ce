#include "binding/binding.h"

const struct binding *const bindings[] = {&binding_db, &binding_log, &binding_clock,
                                          &binding_random, NULL};

size_t bindings_grant(const struct plugin_definition *plugin, struct binding_scope *scope,
                      struct value_object objects[BINDINGS_MAX])
{
    size_t count = 0;
    for (const struct binding *const *b = bindings; *b; b++) {
        if (!(*b)->ambient && !plugin_needs(plugin, text_of((*b)->name)))
            continue;
        objects[count++] = (struct value_object){(*b)->name, (*b)->methods, scope};
    }
    return count;
}

int bindings_finish(struct binding_scope *scope, bool commit, struct pn_error *err)
{
    int rc = 0;
    for (const struct binding *const *b = bindings; *b; b++) {
        if (!(*b)->finish)
            continue;
        int one = (*b)->finish(scope, commit && rc == 0, rc == 0 ? err : NULL);
        rc = rc == 0 ? one : rc;
    }
    return rc;
}
