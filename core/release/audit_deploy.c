#include "release/audit_deploy.h"

#include "base/clock.h"
#include "json/writer.h"

#include <inttypes.h>
#include <stdio.h>

struct detail {
    struct buffer json;
    bool first;
};

static struct detail begin_detail(void)
{
    struct detail d = {.json = BUFFER_INIT, .first = true};
    buffer_append_char(&d.json, '{');
    return d;
}

/* What is empty is left out. */
static void add_text(struct detail *d, struct text name, const char *value)
{
    if (value[0])
        json_write_string_member(&d->json, &d->first, name, text_of(value));
}

static void add_integer(struct detail *d, struct text name, int64_t value)
{
    json_write_integer_member(&d->json, &d->first, name, value);
}

static int append(struct audit *a, const char *action, const char *subject, struct detail *d,
                  struct pn_error *err)
{
    buffer_append_char(&d->json, '}');
    const struct audit_entry e = {.actor = TEXT("host"),
                                  .action = text_of(action),
                                  .subject = text_of(subject),
                                  .detail = buffer_text(&d->json)};
    int rc =
        d->json.failed ? pn_error_set(err, PN_ENOMEM, "out of memory") : audit_append(a, &e, err);
    buffer_release(&d->json);
    return rc;
}

static void print_label(char out[GENERATION_LABEL_SIZE], const struct active_entry *e)
{
    snprintf(out, GENERATION_LABEL_SIZE, "%s@%s#%" PRId64, e->spec.plugin, e->version,
             e->spec.number);
}

int audit_publish(struct audit *a, const struct publication *p, struct pn_error *err)
{
    char label[GENERATION_LABEL_SIZE], before[GENERATION_LABEL_SIZE] = "";
    struct detail d = begin_detail();
    print_label(label, p->next);
    if (p->before->spec.hash[0] && !p->next->retired)
        print_label(before, p->before);
    add_text(&d, TEXT("hash"), p->next->spec.hash);
    add_text(&d, TEXT("replaces"), before);
    add_text(&d, TEXT("replaces_hash"), before[0] ? p->before->spec.hash : "");
    add_text(&d, TEXT("migrations"), p->next->migrations);
    add_text(&d, TEXT("directory"), p->directory);
    if (p->restores)
        json_write_bool_member(&d.json, &d.first, TEXT("restores"), true);
    return append(a, p->next->retired ? "retire" : "publish", label, &d, err);
}

static int report_refusal(struct audit *a, const struct deploy_report *r, struct pn_error *err)
{
    struct detail d = begin_detail();
    add_text(&d, TEXT("step"), deploy_step_name(r->step));
    add_text(&d, TEXT("error"), r->message);
    return append(a, "refuse", r->directory[0] ? r->directory : r->plugin, &d, err);
}

int audit_report(struct audit *a, const struct deploy_report *r, struct pn_error *err)
{
    if (r->code == PN_EEXIST) /* nothing was to do */
        return 0;
    if (r->code != 0)
        return report_refusal(a, r, err);
    struct detail d = begin_detail();
    add_integer(&d, TEXT("took_ms"), r->took / NS_PER_MS);
    if (r->difference) {
        add_text(&d, TEXT("since"), r->difference->since);
        add_integer(&d, TEXT("breaking"), r->difference->breaking);
        add_integer(&d, TEXT("compatible"), r->difference->compatible);
    }
    return append(a, r->label[0] ? "live" : "retired", r->label[0] ? r->label : r->plugin, &d, err);
}

int audit_start(struct audit *a, const struct active *active, struct pn_error *err)
{
    struct detail d = begin_detail();
    bool first = true;
    json_write_member(&d.json, &d.first, TEXT("serves"));
    buffer_append_char(&d.json, '[');
    for (size_t i = 0; i < active->count; i++) {
        char label[GENERATION_LABEL_SIZE];
        if (active->entries[i].retired)
            continue;
        print_label(label, &active->entries[i]);
        json_write_comma(&d.json, &first);
        json_write_string(&d.json, text_of(label));
    }
    buffer_append_char(&d.json, ']');
    return append(a, "start", "control", &d, err);
}
