#include "contract/export_text.h"

#include "base/ascii.h"
#include "base/embedded.h"

#include <stdlib.h>

extern const struct embedded_file template_files[];

bool export_is_identifier(struct text name, bool dollar)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool word = ascii_is_letter(c) || c == '_' || (i > 0 && ascii_is_digit(c));
        if (!word && !(dollar && c == '$'))
            return false;
    }
    return name.len > 0;
}

void export_pascal(struct buffer *out, struct text name)
{
    bool begins = true;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c != '_')
            buffer_append_char(out, (char)(begins && c >= 'a' && c <= 'z' ? c - 32 : c));
        begins = c == '_';
    }
}

static void write_line(struct buffer *out, const char *prefix, const char *guarded,
                       struct text line)
{
    struct text begin = text_trim(line);
    while (line.len && (unsigned char)line.data[line.len - 1] <= ' ')
        line.len--;
    buffer_append_string(out, prefix);
    if (begin.len && strchr(guarded, begin.data[0]))
        buffer_append_char(out, '\\');
    for (size_t i = 0; i < line.len; i++) {
        char c = line.data[i];
        buffer_append_char(out, (unsigned char)c < ' ' || c == 0x7F ? ' ' : c);
        if (c == '*' && i + 1 < line.len && line.data[i + 1] == '/')
            buffer_append_char(out, '\\');
    }
    while (out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = 0;
    buffer_append_char(out, '\n');
}

void export_lines(struct buffer *out, const char *prefix, const char *guarded, struct text text)
{
    struct text line;
    while (text_split(&text, '\n', &line))
        write_line(out, prefix, guarded, line);
}

struct text export_template(const char *name)
{
    const struct embedded_file *file = template_files;
    while (strcmp(file->name, name) != 0)
        file++;
    return (struct text){file->data, file->len};
}

size_t export_type_index(const struct plugin_definition *plugin, struct text name)
{
    size_t i = 0;
    while (i < plugin->type_count && !text_equal(plugin->types[i].name, name))
        i++;
    return i;
}
