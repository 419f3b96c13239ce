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

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool is_word(char c)
{
    return is_word_start(c) || is_digit(c) || c == '$';
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

/* What stands behind it on another line goes on with it, escapes and all; on the same line it would be
 * an error. */
static size_t skip_escaped(struct text sql, size_t at)
{
    do {
        at = skip_quoted(sql, at, true);
        size_t behind = skip_blank(sql, at);
        if (!is_at(sql, behind, "'"))
            return at;
        at = behind;
    } while (at < sql.len);
    return at;
}

/* $$ … $$ and $tag$ … $tag$; `at` when none begins there. */
static size_t skip_dollars(struct text sql, size_t at)
{
    size_t end = at + 1;
    while (end < sql.len && is_word(sql.data[end]) && sql.data[end] != '$')
        end++;
    if (end >= sql.len || sql.data[end] != '$' || is_digit(sql.data[at + 1]))
        return at;
    struct text tag = {sql.data + at, end + 1 - at};
    for (end++; end + tag.len <= sql.len; end++)
        if (memcmp(sql.data + end, tag.data, tag.len) == 0)
            return end + tag.len;
    return sql.len;
}

/* A number or $1: a word may follow at once, as in "1union". */
static size_t skip_number(struct text sql, size_t at)
{
    for (at++; at < sql.len && (is_digit(sql.data[at]) || sql.data[at] == '.'); at++)
        continue;
    return at;
}

static size_t skip_word(struct text sql, size_t at)
{
    while (at < sql.len && is_word(sql.data[at]))
        at++;
    return at;
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
        return literal(at, skip_escaped(sql, begin + 1));
    if (c == '$' && (end = skip_dollars(sql, begin)) > begin)
        return literal(at, end);
    if (c == '"') {
        *at = skip_quoted(sql, begin, false);
        return (struct token){TOKEN_QUOTED,
                              {sql.data + begin + 1, *at - begin - 1 - (*at > begin + 1)}};
    }
    *at = is_word_start(c) ? skip_word(sql, begin)
          : is_word(c)     ? skip_number(sql, begin)
                           : begin + 1;
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

static bool is(const struct token *t, enum token_kind kind, const char *text)
{
    return t->kind == kind && text_equal_nocase(t->text, text_of(text));
}

/*
 * Functions that stay in force behind the transaction or work outside of the schema, and those that
 * run SQL which they are given as a text, unseen by this lexer.
 */
static bool is_refused_function(struct text name)
{
    static const char *const names[] = {
        "set_config",
        "setseed",
        "set_limit",
        "pg_notify",
        "pg_terminate_backend",
        "pg_cancel_backend",
        "lo_creat",
        "lo_create",
        "lo_export",
        "lo_from_bytea",
        "lo_get",
        "lo_import",
        "lo_open",
        "lo_put",
        "lo_truncate",
        "lo_unlink",
        "lo_truncate64",
        "loread",
        "lowrite",
        "ts_stat",
        "ts_rewrite",
        "connectby",
        "xpath_table",
        NULL,
    };
    static const char *const prefixes[] = {
        "pg_advisory_",  "pg_try_advisory_", "dblink",        "crosstab",        "query_to_xml",
        "cursor_to_xml", "table_to_xml",     "schema_to_xml", "database_to_xml",
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (begins_with(name, prefixes[i]))
            return true;
    return is_one_of(name, names);
}

/* A function of one argument is also called as that one's attribute: (1).lo_unlink. */
static bool is_call(struct text sql, size_t at, const struct token *before)
{
    return is(before, TOKEN_OTHER, ".") || is_at(sql, skip_blank(sql, at), "(");
}

/* `at` is behind it. */
static int check_name(struct text sql, size_t at, const struct token *before, const struct token *t,
                      struct pn_error *err)
{
    if (t->kind != TOKEN_WORD && t->kind != TOKEN_QUOTED)
        return 0;
    if (begins_with(t->text, "pinion_"))
        return pn_error_set(err, PN_EDENIED, "names that begin with 'pinion_' are the host's");
    if (begins_with(t->text, "pg_settings")) /* its update is a set_config */
        return pn_error_set(err, PN_EDENIED, "settings are the host's");
    if (is(t, TOKEN_WORD, "u") && (is_at(sql, at, "&\"") || is_at(sql, at, "&'")))
        return pn_error_set(err, PN_EDENIED, "U&\"…\" is not for plugins: write the name itself");
    if (is_refused_function(t->text) && is_call(sql, at, before))
        return pn_error_set(err, PN_EDENIED,
                            "'%.*s' is not for plugins: it reaches beyond its statement",
                            TEXT_ARGS(t->text));
    return 0;
}

static int check_first(const struct token *t, struct pn_error *err)
{
    static const char *const kinds[] = {"select", "insert", "update", "delete", "with",
                                        "values", "merge",  "table",  NULL};
    static const char *const transactions[] = {"begin",    "start", "commit",    "end",
                                               "rollback", "abort", "savepoint", "release",
                                               "prepare",  NULL};
    if (t->kind == TOKEN_END || is(t, TOKEN_OTHER, ";"))
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

/* How far a statement was read. */
struct reading {
    struct token before; /* the token that is read now */
    size_t depth;        /* of parentheses */
    uint64_t selects;    /* a bit a depth: SELECT stood there */
    bool ended;          /* by ';' */
    bool writes;
};

/* INSERT INTO and MERGE INTO are fine, but both words may be names of columns too. */
static bool makes_table(const struct reading *r)
{
    bool selects = r->depth >= 64 || (r->selects >> r->depth & 1);
    return selects ||
           !(is(&r->before, TOKEN_WORD, "insert") || is(&r->before, TOKEN_WORD, "merge"));
}

static int read_token(struct reading *r, const struct token *t, struct pn_error *err)
{
    static const char *const changes[] = {"insert", "update", "delete", "merge", NULL};
    uint64_t bit = r->depth < 64 ? (uint64_t)1 << r->depth : 0;
    if (r->ended)
        return pn_error_set(err, PN_EINVAL, "one statement at a time");
    if (is(t, TOKEN_WORD, "into") && makes_table(r))
        return pn_error_set(err, PN_EDENIED, "'select into' makes a table");
    if (is(t, TOKEN_WORD, "select"))
        r->selects |= bit;
    else if (is(t, TOKEN_OTHER, "("))
        r->depth++;
    else if (is(t, TOKEN_OTHER, ")") && r->depth) {
        r->selects &= ~bit;
        r->depth--;
    }
    r->writes = r->writes || (t->kind == TOKEN_WORD && is_one_of(t->text, changes));
    r->ended = is(t, TOKEN_OTHER, ";");
    r->before = *t;
    return 0;
}

int lexer_check(struct text sql, enum mode mode, bool *writes, struct pn_error *err)
{
    struct reading r = {.before = {TOKEN_END, TEXT("")}};
    size_t at = 0;
    struct token t = next(sql, &at);
    int status = memchr(sql.data, 0, sql.len) ? pn_error_set(err, PN_EINVAL, "it holds a byte 0")
                                              : check_first(&t, err);
    for (; t.kind != TOKEN_END && status == 0; t = next(sql, &at)) {
        struct token before = r.before;
        status = read_token(&r, &t, err);
        if (status == 0 && mode != MODE_SERVICE)
            status = check_name(sql, at, &before, &t, err);
    }
    *writes = r.writes;
    return status ? put_behind(sql, status, err) : 0;
}

/* The body of a function in SQL ends with END, which ends the transaction elsewhere. */
int lexer_check_migration(struct text sql, struct pn_error *err)
{
    static const char *const ends[] = {"commit",    "rollback", "abort",   "start", "begin",
                                       "savepoint", "release",  "prepare", NULL};
    size_t at = 0;
    bool first = true, atomic = false;
    if (sql.len && memchr(sql.data, 0, sql.len))
        return pn_error_set(err, PN_EINVAL, "it holds a byte 0");
    struct token before = {TOKEN_END, TEXT("")};
    for (struct token t = next(sql, &at); t.kind != TOKEN_END; before = t, t = next(sql, &at)) {
        bool is_end = is(&t, TOKEN_WORD, "end");
        if ((t.kind == TOKEN_WORD || t.kind == TOKEN_QUOTED) && begins_with(t.text, "pinion_"))
            return pn_error_set(err, PN_EDENIED, "names that begin with 'pinion_' are the host's");
        if (is(&t, TOKEN_WORD, "u") && is_at(sql, at, "&\""))
            return pn_error_set(err, PN_EDENIED, "U&\"…\": write the name itself");
        if (first && t.kind == TOKEN_WORD && (is_one_of(t.text, ends) || (is_end && !atomic)))
            return pn_error_set(err, PN_EDENIED, "the host owns transactions: '%.*s'",
                                TEXT_ARGS(t.text));
        if (is(&t, TOKEN_WORD, "atomic") && is(&before, TOKEN_WORD, "begin"))
            atomic = true;
        else if (first && is_end)
            atomic = false;
        first = is(&t, TOKEN_OTHER, ";");
    }
    return 0;
}
