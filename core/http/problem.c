#include "http/problem.h"

#include "http/status.h"
#include "json/writer.h"

static struct text or_else(struct text t, struct text otherwise)
{
    return t.len ? t : otherwise;
}

void http_problem_write(struct buffer *out, const struct http_problem *p)
{
    bool first = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("type"), or_else(p->type, TEXT("about:blank")));
    json_write_string_member(out, &first, TEXT("title"),
                             or_else(p->title, http_status_reason(p->status)));
    json_write_integer_member(out, &first, TEXT("status"), p->status);
    if (p->detail.len)
        json_write_string_member(out, &first, TEXT("detail"), p->detail);
    for (size_t i = 0; i < p->member_count; i++) {
        const struct http_problem_member *m = &p->members[i];
        if (!m->is_json) {
            json_write_string_member(out, &first, m->name, m->value);
            continue;
        }
        json_write_member(out, &first, m->name);
        buffer_append_text(out, m->value);
    }
    buffer_append_char(out, '}');
}
