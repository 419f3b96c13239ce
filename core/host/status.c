#include "host/status.h"

#include "base/clock.h"
#include "host/harden.h"
#include "json/writer.h"

#include <inttypes.h>
#include <stdio.h>

/* A path may hold any bytes; what is shown is UTF-8. */
static void write_shown(struct buffer *out, bool *first, struct text name, const char *bytes)
{
    char copy[FILE_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", bytes);
    text_repair(copy, strlen(copy));
    json_write_string_member(out, first, name, text_of(copy));
}

static void write_time(struct buffer *out, bool *first, struct text name, int64_t wall)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall, text);
    json_write_string_member(out, first, name, text_of(text));
}

static void write_ms(struct buffer *out, bool *first, struct text name, int64_t ns)
{
    json_write_member(out, first, name);
    buffer_printf(out, "%.3f", (double)ns / (double)NS_PER_MS);
}

static void write_address(struct buffer *out, bool *first, struct text name,
                          const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    address_print(address, text);
    json_write_string_member(out, first, name, text_of(text));
}

static void write_process(struct buffer *out, bool *first, struct slot *slot)
{
    json_write_integer_member(out, first, TEXT("pid"), SLAB_GET(slot->pid));
    json_write_string_member(out, first, TEXT("state"),
                             text_of(slot_state_name(SLAB_GET(slot->state))));
    json_write_integer_member(out, first, TEXT("respawns"), (int64_t)SLAB_GET(slot->respawns));
    write_ms(out, first, TEXT("heartbeat_age_ms"), clock_monotonic() - SLAB_GET(slot->heartbeat));
}

static void write_worker(struct buffer *out, struct slot *slot)
{
    const struct {
        struct text name;
        uint64_t value;
    } figures[] = {
        {TEXT("connections"), SLAB_GET(slot->connections)},
        {TEXT("accepted"), SLAB_GET(slot->accepted)},
        {TEXT("requests"), SLAB_GET(slot->requests)},
        {TEXT("bad_requests"), SLAB_GET(slot->bad_requests)},
        {TEXT("timeouts"), SLAB_GET(slot->timeouts)},
        {TEXT("gone"), SLAB_GET(slot->gone)},
        {TEXT("lua_bytes"), SLAB_GET(slot->lua_bytes)},
    };
    bool first = true;
    buffer_append_char(out, '{');
    write_process(out, &first, slot);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        json_write_integer_member(out, &first, figures[i].name, (int64_t)figures[i].value);
    buffer_append_char(out, '}');
}

static void write_workers(struct buffer *out, const struct host *h)
{
    buffer_append_char(out, '[');
    for (int i = 0; i < h->config->workers; i++) {
        if (i)
            buffer_append_char(out, ',');
        write_worker(out, &h->slab->worker[i]);
    }
    buffer_append_char(out, ']');
}

static void write_quarantine(struct buffer *out, bool *first, const struct blamed *b)
{
    json_write_string_member(out, first, TEXT("state"), TEXT("quarantined"));
    write_time(out, first, TEXT("quarantined_at"), b->since);
    json_write_string_member(out, first, TEXT("quarantined_in"),
                             text_of(witness_what_name((int)b->what)));
    json_write_string_member(out, first, TEXT("quarantined_for"), text_of(b->why));
}

static void write_plugin(struct buffer *out, const struct quarantine *q,
                         const struct active_entry *e)
{
    struct blamed blamed;
    char label[GENERATION_LABEL_SIZE];
    bool first = true;
    snprintf(label, sizeof label, "%s@%s#%" PRId64, e->spec.plugin, e->version, e->spec.number);
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("name"), text_of(e->spec.plugin));
    json_write_string_member(out, &first, TEXT("version"), text_of(e->version));
    json_write_string_member(out, &first, TEXT("generation"), text_of(label));
    if (!e->retired && quarantine_find(q, &e->spec, &blamed))
        write_quarantine(out, &first, &blamed);
    else
        json_write_string_member(out, &first, TEXT("state"),
                                 e->retired ? TEXT("retired") : TEXT("serving"));
    json_write_string_member(out, &first, TEXT("hash"), text_of(e->spec.hash));
    buffer_append_char(out, '}');
}

static void write_plugins(struct buffer *out, const struct quarantine *q,
                          const struct active *active)
{
    buffer_append_char(out, '[');
    for (size_t i = 0; i < active->count; i++) {
        if (i)
            buffer_append_char(out, ',');
        write_plugin(out, q, &active->entries[i]);
    }
    buffer_append_char(out, ']');
}

static void write_changes(struct buffer *out, const struct difference *d)
{
    struct text rest = text_of(d->text), line;
    bool first = true;
    buffer_append_char(out, '[');
    while (d->text[0] && text_split(&rest, '\n', &line)) {
        json_write_comma(out, &first);
        json_write_string(out, line);
    }
    buffer_append_char(out, ']');
}

static void write_contract(struct buffer *out, bool *outer, const struct difference *d)
{
    bool first = true;
    json_write_member(out, outer, TEXT("contract"));
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("since"), text_of(d->since));
    json_write_bool_member(out, &first, TEXT("compared"), !d->unknown);
    json_write_integer_member(out, &first, TEXT("breaking"), d->breaking);
    json_write_integer_member(out, &first, TEXT("compatible"), d->compatible);
    json_write_member(out, &first, TEXT("changes"));
    write_changes(out, d);
    buffer_append_char(out, '}');
}

static void write_deploy(struct buffer *out, const struct source *s)
{
    bool first = true;
    buffer_append_char(out, '{');
    write_shown(out, &first, TEXT("directory"), s->directory);
    json_write_string_member(out, &first, TEXT("plugin"), text_of(s->plugin));
    json_write_bool_member(out, &first, TEXT("ok"), s->ok);
    if (!s->ok) {
        json_write_string_member(out, &first, TEXT("step"), text_of(deploy_step_name(s->step)));
        write_shown(out, &first, TEXT("message"), s->message);
    }
    write_time(out, &first, TEXT("at"), s->at_wall);
    write_ms(out, &first, TEXT("took_ms"), s->took);
    if (s->difference.since[0])
        write_contract(out, &first, &s->difference);
    buffer_append_char(out, '}');
}

static void write_deploys(struct buffer *out, const struct sources *sources)
{
    bool first = true;
    buffer_append_char(out, '[');
    for (size_t i = 0; i < sources->count; i++) {
        if (!sources->list[i]->reported || sources->list[i]->gone)
            continue;
        json_write_comma(out, &first);
        write_deploy(out, sources->list[i]);
    }
    buffer_append_char(out, ']');
}

static void write_patrol(struct buffer *out, const struct patrol *p)
{
    const struct patrol_result *last = &p->last;
    bool first = true;
    buffer_append_char(out, '{');
    json_write_integer_member(out, &first, TEXT("every_s"), p->interval_ms / 1000);
    json_write_bool_member(out, &first, TEXT("checking"), p->child != 0);
    if (last->at) {
        write_time(out, &first, TEXT("checked_at"), last->at);
        write_ms(out, &first, TEXT("took_ms"), last->took);
        json_write_integer_member(out, &first, TEXT("checked"), last->databases);
        json_write_integer_member(out, &first, TEXT("problems"), last->problems);
    }
    if (last->at && last->first[0])
        write_shown(out, &first, TEXT("first_problem"), last->first);
    buffer_append_char(out, '}');
}

void status_write(const struct host *h, const struct active *active, const struct sources *sources,
                  const struct usage *usage, const struct patrol *patrol, struct buffer *out)
{
    bool first = true, inner = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("version"), TEXT("pinion " PINION_VERSION));
    json_write_string_member(out, &first, TEXT("mode"),
                             h->config->dev ? TEXT("dev") : TEXT("serve"));
    json_write_bool_member(out, &first, TEXT("ready"), SLAB_GET(h->slab->ready));
    write_time(out, &first, TEXT("started"), SLAB_GET(h->slab->started_wall));
    write_address(out, &first, TEXT("listen"), &h->listen);
    write_address(out, &first, TEXT("admin"), &h->admin);
    write_shown(out, &first, TEXT("data"), h->paths.data);
    json_write_member(out, &first, TEXT("control"));
    buffer_append_char(out, '{');
    write_process(out, &inner, &h->slab->control);
    buffer_append_char(out, '}');
    json_write_member(out, &first, TEXT("workers"));
    write_workers(out, h);
    json_write_member(out, &first, TEXT("plugins"));
    write_plugins(out, &h->slab->quarantine, active);
    json_write_member(out, &first, TEXT("deploys"));
    write_deploys(out, sources);
    json_write_member(out, &first, TEXT("databases"));
    write_patrol(out, patrol);
    json_write_member(out, &first, TEXT("usage"));
    usage_write_status(usage, out);
    json_write_member(out, &first, TEXT("security"));
    harden_write(h, out);
    buffer_append_string(out, "}\n");
}

int status_write_host_file(const struct host *h, bool ready, struct pn_error *err)
{
    struct buffer out = BUFFER_INIT;
    bool first = true;
    buffer_append_char(&out, '{');
    json_write_integer_member(&out, &first, TEXT("pid"), SLAB_GET(h->slab->supervisor_pid));
    write_address(&out, &first, TEXT("listen"), &h->listen);
    write_address(&out, &first, TEXT("admin"), &h->admin);
    json_write_string_member(&out, &first, TEXT("mode"),
                             h->config->dev ? TEXT("dev") : TEXT("serve"));
    json_write_bool_member(&out, &first, TEXT("ready"), ready);
    buffer_append_string(&out, "}\n");
    int rc = out.failed ? PN_ENOMEM : file_write(h->paths.host, buffer_text(&out), false, err);
    buffer_release(&out);
    return rc;
}
