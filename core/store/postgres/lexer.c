/*
 * Lexer: what a plugin's SQL may say, as far as rights on the server do not settle it: transactions
 * are the host's, nothing outlives them in the session, and the host's own tables are not named.
 *
 * It reads PostgreSQL's tokens (with nested comments, E'', $tag$ and quoted names), so that a word
 * in a text is none. Quoted names are looked at like others; U&"…" is refused, as it may spell any.
 */
#include "store/postgres/remote_parts.h"

#include <strings.h>

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_LITERAL, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    struct text text; /* of a quoted name: without its quotes */
};

static bool is_word_start(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
    return is_word_start(c) || (unsigned char)(c - '0') < 10 || c == '$';
}

static bool is_at(struct text sql, size_t at, const char *what)
{
    return text_starts_with((struct text){sql.data + at, sql.len - at}, text_of(what));
}

static size_t skip_block_comment(struct text sql, size_t at)
{
    int depth = 0;
    while (at < sql.len) {
        if (is_at(sql, at, "/*")) {
            depth++;
            at += 2;
        } else if (is_at(sql, at, "*/")) {
            at += 2;
            if (--depth == 0)
                return at;
        } else {
            at++;
        }
    }
    return at;
}

static size_t skip_blank(struct text sql, size_t at)
{
    for (;;) {
        if (at < sql.len && memchr(" \t\n\r\f\v", sql.data[at], 6))
            at++;
        else if (is_at(sql, at, "--"))
            while (at < sql.len && sql.data[at] != '\n' && sql.data[at] != '\r')
                at++;
        else if (is_at(sql, at, "/*"))
            at = skip_block_comment(sql, at);
        else
            return at;
    }
}

/* `at` is its first quote; a doubled one is part of it. */
static size_t skip_quoted(struct text sql, size_t at, bool escapes)
{
    char quote = sql.data[at++];
    for (; at < sql.len; at++) {
        if (escapes && sql.data[at] == '\\')
            at++;
        else if (sql.data[at] == quote && at + 1 < sql.len && sql.data[at + 1] == quote)
            at++;
        else if (sql.data[at] == quote)
            return at + 1;
    }
    return sql.len;
}

/* $$ … $$ and $tag$ … $tag$; `at` when none begins there. */
static size_t skip_dollars(struct text sql, size_t at)
{
    size_t end = at + 1;
    while (end < sql.len && is_word(sql.data[end]) && sql.data[end] != '$')
        end++;
    if (end >= sql.len || sql.data[end] != '$' || (unsigned char)(sql.data[at + 1] - '0') < 10)
        return at;
    struct text tag = {sql.data + at, end + 1 - at};
    for (end++; end + tag.len <= sql.len; end++)
        if (memcmp(sql.data + end, tag.data, tag.len) == 0)
            return end + tag.len;
    return sql.len;
}

static struct token literal(size_t *at, size_t end)
{
    *at = end;
    return (struct token){TOKEN_LITERAL, TEXT("")};
}

static struct token next(struct text sql, size_t *at)
{
    *at = skip_blank(sql, *at);
    size_t begin = *at, end = begin;
    if (begin >= sql.len)
        return (struct token){TOKEN_END, TEXT("")};
    char c = sql.data[begin];
    if (c == '\'')
        return literal(at, skip_quoted(sql, begin, false));
    if ((c | 0x20) == 'e' && is_at(sql, begin + 1, "'"))
        return literal(at, skip_quoted(sql, begin + 1, true));
    if (c == '$' && (end = skip_dollars(sql, begin)) > begin)
        return literal(at, end);
    if (c == '"') {
        *at = skip_quoted(sql, begin, false);
        return (struct token){TOKEN_QUOTED,
                              {sql.data + begin + 1, *at - begin - 1 - (*at > begin + 1)}};
    }
    for (end = begin; end < sql.len && is_word(sql.data[end]); end++)
        continue;
    *at = end > begin ? end : begin + 1;
    return (struct token){is_word_start(c) ? TOKEN_WORD : TOKEN_OTHER,
                          {sql.data + begin, *at - begin}};
}

static bool is_one_of(struct text word, const char *const *list)
{
    for (; *list; list++)
        if (text_equal_nocase(word, text_of(*list)))
            return true;
    return false;
}

static bool begins_with(struct text word, const char *prefix)
{
    size_t length = strlen(prefix);
    return word.len >= length && strncasecmp(word.data, prefix, length) == 0;
}

/*
 * Whoever runs SQL out of a text hides names from this lexer; an update of pg_settings is a
 * set_config.
 */
static bool is_forbidden(struct text word)
{
    static const char *const beginnings[] = {"set_config",
                                             "pg_settings",
                                             "pg_advisory_",
                                             "pg_try_advisory_",
                                             "lo_",
                                             "pg_terminate_",
                                             "pg_cancel_",
                                             "dblink",
                                             "query_to_xml",
                                             "cursor_to_xml",
                                             "table_to_xml",
                                             "schema_to_xml",
                                             "database_to_xml",
                                             "ts_stat",
                                             "ts_rewrite",
                                             NULL};
    for (const char *const *beginning = beginnings; *beginning; beginning++)
        if (begins_with(word, *beginning))
            return true;
    return false;
}

static int check_name(struct text sql, size_t at, const struct token *t, struct pn_error *err)
{
    if (t->kind != TOKEN_WORD && t->kind != TOKEN_QUOTED)
        return 0;
    if (begins_with(t->text, "pinion_"))
        return pn_error_set(err, PN_EDENIED, "names that begin with 'pinion_' are the host's");
    if (is_forbidden(t->text))
        return pn_error_set(err, PN_EDENIED,
                            "'%.*s' is not for plugins: it would outlast the transaction, disturb "
                            "others, or run SQL out of a text",
                            TEXT_ARGS(t->text));
    if (t->kind == TOKEN_WORD && text_equal_nocase(t->text, TEXT("u")) && is_at(sql, at, "&"))
        return pn_error_set(err, PN_EDENIED, "U&\"…\" is not for plugins: write the name itself");
    return 0;
}

static int check_first(const struct token *t, struct pn_error *err)
{
    static const char *const kinds[] = {"select", "insert", "update", "delete", "with",
                                        "values", "merge",  "table",  NULL};
    static const char *const transactions[] = {"begin",    "start", "commit",    "end",
                                               "rollback", "abort", "savepoint", "release",
                                               "prepare",  NULL};
    if (t->kind == TOKEN_END)
        return pn_error_set(err, PN_EINVAL, "no statement");
    if (t->kind == TOKEN_WORD && is_one_of(t->text, transactions))
        return pn_error_set(err, PN_EDENIED, "the host owns transactions");
    if (t->kind == TOKEN_WORD && !is_one_of(t->text, kinds))
        return pn_error_set(err, PN_EDENIED,
                            "'%.*s': a plugin reads and changes rows; all else is for migrations",
                            TEXT_ARGS(t->text));
    return 0;
}

static int put_behind(struct text sql, int status, struct pn_error *err)
{
    char excerpt[EXCERPT_SIZE];
    if (!err)
        return status;
    struct pn_error reason = *err;
    sql_excerpt(sql, -1, excerpt);
    return pn_error_set(err, status, "%s in '%s'", reason.message, excerpt);
}

int lexer_check(struct text sql, enum mode mode, bool *writes, struct pn_error *err)
{
    static const char *const changes[] = {"insert", "update", "delete", "merge", NULL};
    size_t at = 0;
    struct token t = next(sql, &at), before = {TOKEN_END, TEXT("")};
    bool ended = false;
    *writes = false;
    int status = memchr(sql.data, 0, sql.len) ? pn_error_set(err, PN_EINVAL, "it holds a byte 0")
                                              : check_first(&t, err);
    for (; t.kind != TOKEN_END && status == 0; before = t, t = next(sql, &at)) {
        if (ended)
            status = pn_error_set(err, PN_EINVAL, "one statement at a time");
        else if (mode != MODE_SERVICE)
            status = check_name(sql, at, &t, err);
        ended = t.kind == TOKEN_OTHER && text_equal(t.text, TEXT(";"));
        if (t.kind != TOKEN_WORD || status)
            continue;
        *writes = *writes || is_one_of(t.text, changes);
        if (text_equal_nocase(t.text, TEXT("into")) && !is_one_of(before.text, changes))
            status = pn_error_set(err, PN_EDENIED, "'select into' makes a table");
    }
    return status ? put_behind(sql, status, err) : 0;
}

int lexer_check_migration(struct text sql, struct pn_error *err)
{
    static const char *const ends[] = {"commit", "rollback",  "abort",   "start",
                                       "begin",  "savepoint", "release", NULL};
    size_t at = 0;
    bool first = true, atomic = false;
    if (sql.len && memchr(sql.data, 0, sql.len))
        return pn_error_set(err, PN_EINVAL, "it holds a byte 0");
    for (struct token t = next(sql, &at); t.kind != TOKEN_END; t = next(sql, &at)) {
        bool ends_here = text_equal_nocase(t.text, TEXT("end")) && !atomic;
        if ((t.kind == TOKEN_WORD || t.kind == TOKEN_QUOTED) && begins_with(t.text, "pinion_"))
            return pn_error_set(err, PN_EDENIED, "names that begin with 'pinion_' are the host's");
        if (first && t.kind == TOKEN_WORD && (is_one_of(t.text, ends) || ends_here))
            return pn_error_set(err, PN_EDENIED, "the host owns transactions: '%.*s'",
                                TEXT_ARGS(t.text));
        if (t.kind == TOKEN_WORD && text_equal_nocase(t.text, TEXT("atomic")))
            atomic = true;
        else if (first && t.kind == TOKEN_WORD && text_equal_nocase(t.text, TEXT("end")))
            atomic = false;
        first = t.kind == TOKEN_OTHER && text_equal(t.text, TEXT(";"));
    }
    return 0;
}
