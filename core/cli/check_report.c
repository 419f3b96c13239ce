/*
 * Findings as text for people, as JSON, and as annotations of GitHub Actions.
 */
#include "cli/check.h"

#include "base/clock.h"
#include "json/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const severities[] = {"error", "warning", "notice"};

static int by_place(const void *a, const void *b)
{
    const struct check_finding *left = a, *right = b;
    int order = text_compare(left->file, right->file);
    if (order != 0)
        return order;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return left->number < right->number ? -1 : 1;
}

static double took_ms(const struct check *c)
{
    return (double)(clock_monotonic() - c->begun) / (double)NS_PER_MS;
}

static void print_rule(const struct check_finding *one)
{
    if (one->rule.len)
        printf(" (%s%.*s)", strcmp(one->check, "luacheck") == 0 ? "luacheck " : "",
               TEXT_ARGS(one->rule));
}

static void print_summary(const struct check *c)
{
    size_t plugins = c->plugins.count;
    printf("checked %zu plugin%s in %.0f ms: %zu error%s, %zu warning%s\n", plugins,
           plugins == 1 ? "" : "s", took_ms(c), c->errors, c->errors == 1 ? "" : "s", c->warnings,
           c->warnings == 1 ? "" : "s");
    if (strcmp(c->luacheck, "not installed") == 0)
        printf("luacheck is not installed: what it would find is not known\n");
}

static void print_line(const struct check_finding *one, bool colour)
{
    static const char *const colours[] = {"\033[31m", "\033[33m", "\033[36m"};
    if (one->file.len)
        printf("%.*s:", TEXT_ARGS(one->file));
    if (one->line)
        printf("%zu:", one->line);
    if (one->column)
        printf("%zu:", one->column);
    printf("%s%s%s%s: %.*s", one->file.len ? " " : "", colour ? colours[one->severity] : "",
           severities[one->severity], colour ? "\033[0m" : "", TEXT_ARGS(one->message));
    print_rule(one);
    putchar('\n');
}

static void print_text(const struct check *c)
{
    bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    for (size_t i = 0; i < c->count; i++)
        print_line(&c->list[i], colour);
    print_summary(c);
}

/* Workflow commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
static void print_escaped(struct text t, bool is_property)
{
    for (size_t i = 0; i < t.len; i++) {
        char ch = t.data[i];
        bool special =
            ch == '%' || ch == '\r' || ch == '\n' || (is_property && (ch == ':' || ch == ','));
        if (special)
            printf("%%%02X", (unsigned)ch);
        else
            putchar(ch);
    }
}

static void print_annotation(const struct check_finding *one)
{
    printf("::%s ", severities[one->severity]);
    if (one->file.len) {
        printf("file=");
        print_escaped(one->file, true);
        printf(",");
    }
    if (one->line)
        printf("line=%zu,", one->line);
    if (one->column)
        printf("col=%zu,", one->column);
    printf("title=pinion check%%3A %s::", one->check);
    print_escaped(one->message, false);
    print_rule(one);
    putchar('\n');
}

static void print_github(const struct check *c)
{
    for (size_t i = 0; i < c->count; i++)
        print_annotation(&c->list[i]);
    print_summary(c);
}

/* A path may hold any bytes; what is shown is UTF-8. */
static void write_shown(struct buffer *out, bool *first, struct text name, const char *bytes)
{
    char copy[FILE_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", bytes);
    text_repair(copy, strlen(copy));
    json_write_string_member(out, first, name, text_of(copy));
}

static void write_plugin(struct buffer *out, const struct inspected *one)
{
    bool first = true;
    buffer_append_char(out, '{');
    write_shown(out, &first, TEXT("directory"), one->directory);
    json_write_bool_member(out, &first, TEXT("loaded"), one->generation != NULL);
    if (one->generation) {
        const struct plugin_definition *d = &one->generation->definition;
        json_write_string_member(out, &first, TEXT("name"), d->name);
        json_write_string_member(out, &first, TEXT("version"), d->version);
        json_write_integer_member(out, &first, TEXT("capabilities"), (int64_t)d->capability_count);
    }
    buffer_append_char(out, '}');
}

static void write_change(struct buffer *out, bool *first, const struct contract_change *change)
{
    json_write_string_member(out, first, TEXT("capability"), change->capability);
    json_write_string_member(out, first, TEXT("place"), change->place);
    json_write_string_member(out, first, TEXT("change"), change->sentence);
    if (change->usage.len)
        json_write_string_member(out, first, TEXT("usage"), change->usage);
    json_write_member(out, first, TEXT("breaks"));
    if (contract_rule_class(change->rule) == CONTRACT_BREAKS_CALLERS)
        json_write_string(out, TEXT("callers"));
    else
        json_write_null(out);
    json_write_bool_member(out, first, TEXT("refused"), change->refused);
}

static void write_finding(struct buffer *out, const struct check_finding *one)
{
    bool first = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("severity"), text_of(severities[one->severity]));
    json_write_string_member(out, &first, TEXT("check"), text_of(one->check));
    if (one->rule.len)
        json_write_string_member(out, &first, TEXT("rule"), one->rule);
    if (one->file.len)
        json_write_string_member(out, &first, TEXT("file"), one->file);
    if (one->line)
        json_write_integer_member(out, &first, TEXT("line"), (int64_t)one->line);
    if (one->column)
        json_write_integer_member(out, &first, TEXT("column"), (int64_t)one->column);
    json_write_string_member(out, &first, TEXT("message"), one->message);
    if (one->change)
        write_change(out, &first, one->change);
    buffer_append_char(out, '}');
}

static void write_json(const struct check *c, struct buffer *out)
{
    bool first = true, inner = true;
    buffer_append_char(out, '{');
    json_write_bool_member(out, &first, TEXT("good"), c->errors == 0);
    json_write_integer_member(out, &first, TEXT("errors"), (int64_t)c->errors);
    json_write_integer_member(out, &first, TEXT("warnings"), (int64_t)c->warnings);
    json_write_string_member(out, &first, TEXT("luacheck"), text_of(c->luacheck));
    json_write_member(out, &first, TEXT("took_ms"));
    buffer_printf(out, "%.3f", took_ms(c));
    json_write_member(out, &first, TEXT("plugins"));
    buffer_append_char(out, '[');
    for (size_t i = 0; i < c->plugins.count; i++) {
        json_write_comma(out, &inner);
        write_plugin(out, &c->plugins.list[i]);
    }
    buffer_append_char(out, ']');
    json_write_member(out, &first, TEXT("findings"));
    buffer_append_char(out, '[');
    inner = true;
    for (size_t i = 0; i < c->count; i++) {
        json_write_comma(out, &inner);
        write_finding(out, &c->list[i]);
    }
    buffer_append_string(out, "]}\n");
}

static void print_json(const struct check *c)
{
    struct buffer out = BUFFER_INIT;
    write_json(c, &out);
    if (out.failed)
        fputs("pinion check: out of memory\n", stderr);
    else
        fwrite(out.data, 1, out.len, stdout);
    buffer_release(&out);
}

void check_report(struct check *c)
{
    if (c->count)
        qsort(c->list, c->count, sizeof *c->list, by_place);
    if (c->format == CHECK_JSON)
        print_json(c);
    else if (c->format == CHECK_GITHUB)
        print_github(c);
    else
        print_text(c);
}
