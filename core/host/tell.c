#include "host/tell.h"

#include <stdlib.h>

static uint32_t count_sent(const struct tally_row *row)
{
    uint32_t count = 0;
    for (size_t i = 0; i < row->capability->input->count; i++)
        count += row->members[i] > 0;
    return count;
}

static void put_row(void *user, const struct tally_row *row)
{
    struct buffer *out = user;
    const struct contract_type *input = row->capability->input;
    bus_put_text(out, row->capability->key);
    bus_put_text(out, text_of(row->caller));
    bus_put_number(out, row->calls);
    bus_put_number(out, row->by_route);
    bus_put_number(out, count_sent(row));
    for (size_t i = 0; i < input->count; i++) {
        if (!row->members[i])
            continue;
        bus_put_text(out, input->members[i].name);
        bus_put_number(out, row->members[i]);
    }
}

void tell_usage(const struct catalogue *catalogue, struct bus_peer *control)
{
    struct buffer rows = BUFFER_INIT;
    struct plugin *p;
    for (size_t at = 0; (p = catalogue_next(catalogue, &at));) {
        struct generation *const all[] = {p->serving, p->previous, p->prepared};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (all[i])
                tally_take(&all[i]->tally, put_row, &rows);
    }
    if (rows.len && !rows.failed) {
        buffer_append_text(bus_begin(control, BUS_USAGE, 0), buffer_text(&rows));
        bus_end(control);
    }
    buffer_release(&rows);
}

static bool receive_row(struct usage *usage, struct text *rest)
{
    struct text capability, caller, name;
    uint32_t calls, by_route, members, count;
    if (!bus_get_text(rest, &capability) || !bus_get_text(rest, &caller) ||
        !bus_get_number(rest, &calls) || !bus_get_number(rest, &by_route) ||
        !bus_get_number(rest, &members))
        return false;
    struct usage_entry *e = usage_add(usage, capability, caller, calls, by_route);
    for (uint32_t i = 0; i < members; i++) {
        if (!bus_get_text(rest, &name) || !bus_get_number(rest, &count))
            return false;
        if (e)
            usage_add_member(usage, e, name, count);
    }
    return true;
}

bool tell_receive(struct usage *usage, struct text payload)
{
    uint32_t known = usage->news;
    usage_advance(usage, usage_today());
    while (payload.len && receive_row(usage, &payload))
        continue;
    return usage->news != known;
}
