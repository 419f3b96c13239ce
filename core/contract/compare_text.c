/*
 * Changes as people read them.
 */
#include "contract/compare.h"

#include <stdio.h>

void contract_change_print(const struct contract_change *change, struct buffer *out)
{
    buffer_append_text(out, change->capability);
    if (change->place.len)
        buffer_printf(out, " %.*s", TEXT_ARGS(change->place));
    buffer_printf(out, ": %.*s (%s)", TEXT_ARGS(change->sentence),
                  contract_rule_name(change->rule));
    if (change->usage.len)
        buffer_printf(out, ", %.*s", TEXT_ARGS(change->usage));
}

/* What matters most comes first, and is not what is cut off. */
static int rank_of(const struct contract_change *change)
{
    bool breaks = contract_rule_class(change->rule) == CONTRACT_BREAKS_CALLERS;
    return change->refused ? 0 : breaks ? 1 : 2;
}

struct lines {
    char *out;
    size_t size, len, shown;
    const char *separator;
    bool full;
};

enum { REST_MAX = 24 }; /* "and 1000 more" */

static void add_line(struct lines *lines, const struct contract_change *change)
{
    struct buffer line = BUFFER_INIT;
    if (lines->len)
        buffer_append_string(&line, lines->separator);
    contract_change_print(change, &line);
    if (!line.failed && lines->len + line.len + REST_MAX < lines->size) {
        memcpy(lines->out + lines->len, line.data, line.len + 1);
        lines->len += line.len;
        lines->shown++;
    } else {
        lines->full = true;
    }
    buffer_release(&line);
}

void contract_changes_print(const struct contract_changes *changes, bool refused_only,
                            const char *separator, char *out, size_t size)
{
    struct lines lines = {.out = out, .size = size, .separator = separator};
    size_t all = refused_only ? changes->refused : changes->count;
    out[0] = 0;
    for (int rank = 0; rank <= (refused_only ? 0 : 2); rank++)
        for (const struct contract_change *c = changes->first; c && !lines.full; c = c->next)
            if (rank_of(c) == rank)
                add_line(&lines, c);
    if (lines.shown < all)
        snprintf(out + lines.len, size - lines.len, "%sand %zu more", lines.len ? separator : "",
                 all - lines.shown);
}
