#include "release/difference.h"

#include <stdio.h>

static int compare(struct difference *out, const struct usage *usage,
                   const struct plugin_definition *old, const struct plugin_definition *new,
                   struct pn_error *err)
{
    struct arena arena;
    struct contract_changes changes;
    arena_init(&arena);
    int rc = contract_compare(&changes, &arena, old, new, err);
    if (rc == 0 && usage && (rc = usage_annotate(usage, &changes, &arena)) != 0)
        pn_error_set(err, rc, "out of memory");
    if (rc == 0) {
        out->breaking = (unsigned)changes.breaking;
        out->compatible = (unsigned)(changes.count - changes.breaking);
        out->refused = (unsigned)changes.refused;
        contract_changes_print(&changes, false, "\n", out->text, sizeof out->text);
    }
    arena_release(&arena);
    return rc;
}

int difference_between(struct difference *out, const struct usage *usage,
                       const struct generation *old, const struct plugin_definition *new,
                       struct pn_error *err)
{
    *out = (struct difference){.unknown = false};
    snprintf(out->since, sizeof out->since, "%s", old->label);
    return compare(out, usage, &old->definition, new, err);
}

int difference_find(struct difference *out, const char *bundles_directory,
                    const struct usage *usage, const struct generation_spec *old,
                    const struct plugin_definition *new, struct pn_error *err)
{
    struct generation *g;
    struct pn_error why;
    *out = (struct difference){.unknown = false};
    int rc = generation_open(&g, old, bundles_directory, &why);
    if (rc != 0) {
        /* It was accepted by another host, or its bundle is lost: no reason to refuse the next. */
        out->unknown = true;
        snprintf(out->since, sizeof out->since, "%s#%lld", old->plugin, (long long)old->number);
        snprintf(out->text, sizeof out->text, "%s", why.message);
        text_repair(out->text, strlen(out->text));
        return 0;
    }
    rc = difference_between(out, usage, g, new, err);
    generation_unref(g);
    return rc;
}

void difference_refuse(const struct difference *d, char out[PN_ERROR_MESSAGE_MAX])
{
    enum { CHANGES_MAX = 640 };
    struct text rest = text_of(d->text), line;
    char changes[CHANGES_MAX + 64] = "";
    size_t len = 0;
    unsigned shown = 0;
    while (shown < d->refused && text_split(&rest, '\n', &line) && len + line.len < CHANGES_MAX &&
           !text_starts_with(line, TEXT("and "))) {
        len += (size_t)snprintf(changes + len, sizeof changes - len, "%s%.*s", len ? "; " : "",
                                TEXT_ARGS(line));
        shown++;
    }
    if (shown < d->refused)
        snprintf(changes + len, sizeof changes - len, "%sand %u more", len ? "; " : "",
                 d->refused - shown);
    snprintf(
        out, PN_ERROR_MESSAGE_MAX,
        "it breaks callers of %s: %s. Keep a capability's version as it is and declare what is "
        "new as the next version beside it; addresses can be taken away with a new MAJOR "
        "version of the plugin",
        d->since, changes);
}
