#include "contract/offence.h"

#include "json/writer.h"

#include <stdio.h>

enum { TEXT_MAX_SHOWN = 256 };

void contract_offences_init(struct contract_offences *o)
{
    buffer_init(&o->list);
    o->count = 0;
}

void contract_offences_release(struct contract_offences *o)
{
    buffer_release(&o->list);
    o->count = 0;
}

void contract_offences_clear(struct contract_offences *o)
{
    buffer_clear(&o->list);
    o->count = 0;
}

void contract_offences_fail(struct contract_offences *o)
{
    o->list.failed = true;
    o->count++;
}

static struct text cut(struct text t)
{
    if (t.len <= TEXT_MAX_SHOWN)
        return t;
    t.len = TEXT_MAX_SHOWN;
    while (t.len && ((unsigned char)t.data[t.len] & 0xC0) == 0x80)
        t.len--;
    return t;
}

void contract_pointer_write(struct text name, struct buffer *out)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '~')
            buffer_append(out, "~0", 2);
        else if (name.data[i] == '/')
            buffer_append(out, "~1", 2);
        else
            buffer_append_char(out, name.data[i]);
    }
}

void contract_path_write(const struct contract_path *path, struct buffer *out)
{
    if (!path || !path->up)
        return;
    contract_path_write(path->up, out);
    buffer_append_char(out, '/');
    if (path->name.data) /* a sender's long name is not echoed whole in each offence below it */
        contract_pointer_write(cut(path->name), out);
    else
        buffer_append_uint64(out, path->index);
}

void contract_offend(struct contract_offences *o, const struct contract_path *at, struct text got,
                     const char *expected, ...)
{
    if (o->count++ >= CONTRACT_OFFENCES_MAX)
        return;
    struct pn_error text;
    va_list args;
    va_start(args, expected);
    vsnprintf(text.message, sizeof text.message, expected, args);
    va_end(args);
    struct buffer pointer = BUFFER_INIT;
    contract_path_write(at, &pointer);
    if (pointer.len) /* a Lua table's key may be any bytes */
        text_repair(pointer.data, pointer.len);
    struct buffer *out = &o->list;
    out->failed |= pointer.failed;
    buffer_append_string(out, out->len ? ",{\"pointer\":" : "{\"pointer\":");
    json_write_string(out, buffer_text(&pointer));
    buffer_append_string(out, ",\"expected\":");
    json_write_string(out, cut(text_of(text.message)));
    buffer_append_string(out, ",\"got\":");
    json_write_string(out, cut(got));
    buffer_append_char(out, '}');
    buffer_release(&pointer);
}
