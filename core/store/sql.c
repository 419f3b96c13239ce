/*
 * SQL text, as far as it must be understood without SQLite: where blanks end and which words it
 * holds.
 */
#include "store/engine.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_word(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10 || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

/* Behind the comment that begins at `at`, or `at` when none does. */
static size_t skip_comment(struct text sql, size_t at)
{
    if (sql.len - at < 2)
        return at;
    bool line = sql.data[at] == '-' && sql.data[at + 1] == '-';
    bool block = sql.data[at] == '/' && sql.data[at + 1] == '*';
    if (!line && !block)
        return at;
    for (at += 2; at < sql.len; at++) {
        if (line && sql.data[at] == '\n')
            return at + 1;
        if (block && sql.data[at] == '/' && sql.data[at - 1] == '*')
            return at + 1;
    }
    return sql.len;
}

size_t sql_skip_blank(struct text sql, size_t at)
{
    while (at < sql.len) {
        if (is_blank(sql.data[at]) || sql.data[at] == ';') {
            at++;
            continue;
        }
        size_t behind = skip_comment(sql, at);
        if (behind == at)
            break;
        at = behind;
    }
    return at;
}

static bool is_quote(char c)
{
    return c == '\'' || c == '"' || c == '`' || c == '[';
}

/* Behind the string or quoted name that begins at `at`. A doubled quote inside just begins another
 * one. */
static size_t skip_quoted(struct text sql, size_t at)
{
    char quote = sql.data[at] == '[' ? ']' : sql.data[at];
    const char *end = memchr(sql.data + at + 1, quote, sql.len - at - 1);
    return end ? (size_t)(end - sql.data) + 1 : sql.len;
}

/* The next word outside of strings, quoted names and comments, or the next other character; *at moves
 * behind it. Empty: the end. */
static struct text next_token(struct text sql, size_t *at)
{
    while ((*at = sql_skip_blank(sql, *at)) < sql.len) {
        if (is_quote(sql.data[*at])) {
            *at = skip_quoted(sql, *at);
            continue;
        }
        size_t begin = *at;
        while (*at < sql.len && is_word(sql.data[*at]))
            (*at)++;
        *at += *at == begin;
        return (struct text){sql.data + begin, *at - begin};
    }
    return (struct text){sql.data + sql.len, 0};
}

bool sql_has_word(struct text sql, struct text word)
{
    struct text token;
    size_t at = 0;
    while ((token = next_token(sql, &at)).len)
        if (text_equal_nocase(token, word))
            return true;
    return false;
}

bool sql_next_check(struct text sql, size_t *at, struct text *expression)
{
    struct text token;
    int depth = 0;
    while ((token = next_token(sql, at)).len)
        if (text_equal_nocase(token, TEXT("check")))
            break;
    if (!token.len || !text_equal(next_token(sql, at), TEXT("(")))
        return false;
    size_t begin = *at;
    for (depth = 1; depth && (token = next_token(sql, at)).len;)
        depth += text_equal(token, TEXT("(")) - text_equal(token, TEXT(")"));
    *expression = (struct text){sql.data + begin, *at - begin - (depth == 0)};
    return true;
}
