#include "lua/pattern.h"

#include "lua/budget.h"

#include <ctype.h>

enum { ESCAPE = '%' };

static const ptrdiff_t FAILED = -1;

void pattern_init(struct pattern *p, struct text subject, struct text pattern, int64_t steps)
{
    p->subject = subject;
    p->pattern = pattern;
    p->steps = steps;
    p->error = NULL;
    p->error_index = 0;
    p->depth = 0;
    p->count = 0;
}

static ptrdiff_t fail_with(struct pattern *p, const char *error, int index)
{
    if (!p->error) {
        p->error = error;
        p->error_index = index;
    }
    return FAILED;
}

/* False: the budget is used up, or an error was met; the whole attempt unwinds. */
static bool may_go_on(struct pattern *p)
{
    if (budget_attention && !budget_goes_on())
        p->steps = 0;
    return p->steps-- > 0 && !p->error;
}

/* Past the end both read as 0, as they do in Lua's terminated strings. */
static unsigned char pattern_at(const struct pattern *p, size_t at)
{
    return at < p->pattern.len ? (unsigned char)p->pattern.data[at] : 0;
}

static unsigned char subject_at(const struct pattern *p, size_t at)
{
    return at < p->subject.len ? (unsigned char)p->subject.data[at] : 0;
}

/* %a, %d …: upper case is the complement; any other character stands for itself. */
static bool class_has(unsigned char class, unsigned char c)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    case 'z':
        in = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !in : in;
}

/* The set between '[' at `open` and ']' at `close`. */
static bool set_has(const struct pattern *p, size_t open, size_t close, unsigned char c)
{
    size_t at = open + 1;
    bool wanted = true;
    if (pattern_at(p, at) == '^') {
        wanted = false;
        at++;
    }
    while (at < close) {
        unsigned char first = pattern_at(p, at);
        if (first == ESCAPE) {
            if (class_has(pattern_at(p, at + 1), c))
                return wanted;
            at += 2;
        } else if (pattern_at(p, at + 1) == '-' && at + 2 < close) {
            if (first <= c && c <= pattern_at(p, at + 2))
                return wanted;
            at += 3;
        } else {
            if (first == c)
                return wanted;
            at++;
        }
    }
    return !wanted;
}

/* Behind the single-character item that begins at `at`, or FAILED with the error noted. */
static ptrdiff_t item_end(struct pattern *p, size_t at)
{
    unsigned char first = pattern_at(p, at++);
    if (first == ESCAPE) {
        if (at >= p->pattern.len)
            return fail_with(p, "malformed pattern (ends with '%%')", 0);
        return (ptrdiff_t)at + 1;
    }
    if (first != '[')
        return (ptrdiff_t)at;
    if (pattern_at(p, at) == '^')
        at++;
    do { /* a ']' that comes first belongs to the set */
        if (at >= p->pattern.len)
            return fail_with(p, "malformed pattern (missing ']')", 0);
        if (pattern_at(p, at++) == ESCAPE && at < p->pattern.len)
            at++;
    } while (pattern_at(p, at) != ']' || at >= p->pattern.len);
    return (ptrdiff_t)at + 1;
}

static bool item_has(struct pattern *p, size_t item, size_t end, size_t s)
{
    if (s >= p->subject.len)
        return false;
    unsigned char c = subject_at(p, s);
    switch (pattern_at(p, item)) {
    case '.':
        return true;
    case ESCAPE:
        return class_has(pattern_at(p, item + 1), c);
    case '[':
        return set_has(p, item, end - 1, c);
    default:
        return pattern_at(p, item) == c;
    }
}

static ptrdiff_t run(struct pattern *p, size_t s, size_t at);

/* One level deeper; an attempt that fails gives back the captures it opened. */
static ptrdiff_t attempt(struct pattern *p, size_t s, size_t at)
{
    if (p->depth == PATTERN_DEPTH_MAX)
        return fail_with(p, "pattern too complex", 0);
    p->depth++;
    ptrdiff_t end = run(p, s, at);
    p->depth--;
    return end;
}

/* As many as there are, then fewer and fewer until the rest fits. */
static ptrdiff_t repeat_greedy(struct pattern *p, size_t s, size_t item, size_t end)
{
    size_t count = 0;
    while (item_has(p, item, end, s + count)) {
        if (!may_go_on(p))
            return FAILED;
        count++;
    }
    for (;; count--) {
        ptrdiff_t rest = attempt(p, s + count, end + 1);
        if (rest != FAILED || count == 0 || !may_go_on(p))
            return rest;
    }
}

/* As few as possible. */
static ptrdiff_t repeat_lazy(struct pattern *p, size_t s, size_t item, size_t end)
{
    for (;; s++) {
        ptrdiff_t rest = attempt(p, s, end + 1);
        if (rest != FAILED || !may_go_on(p) || !item_has(p, item, end, s))
            return rest;
    }
}

static ptrdiff_t open_capture(struct pattern *p, size_t s, size_t at, ptrdiff_t what)
{
    if (p->count == PATTERN_CAPTURES_MAX)
        return fail_with(p, "too many captures", 0);
    p->captures[p->count++] = (struct pattern_capture){s, what};
    ptrdiff_t end = attempt(p, s, at);
    if (end == FAILED)
        p->count--;
    return end;
}

static ptrdiff_t close_capture(struct pattern *p, size_t s, size_t at)
{
    int last = p->count - 1;
    while (last >= 0 && p->captures[last].len != PATTERN_UNFINISHED)
        last--;
    if (last < 0)
        return fail_with(p, "invalid pattern capture", 0);
    p->captures[last].len = (ptrdiff_t)(s - p->captures[last].start);
    ptrdiff_t end = attempt(p, s, at);
    if (end == FAILED)
        p->captures[last].len = PATTERN_UNFINISHED;
    return end;
}

/* %b(): behind the closing one that balances the opening one at `s`. */
static ptrdiff_t balanced(struct pattern *p, size_t s, size_t at)
{
    if (at + 1 >= p->pattern.len)
        return fail_with(p, "malformed pattern (missing arguments to '%%b')", 0);
    unsigned char open = pattern_at(p, at), close = pattern_at(p, at + 1);
    if (s >= p->subject.len || subject_at(p, s) != open)
        return FAILED;
    size_t nested = 1;
    while (++s < p->subject.len) {
        if (!may_go_on(p))
            return FAILED;
        unsigned char c = subject_at(p, s);
        if (c == close) {
            if (--nested == 0)
                return (ptrdiff_t)s + 1;
        } else if (c == open) {
            nested++;
        }
    }
    return FAILED;
}

/* %1 … %9: behind the same text again. */
static ptrdiff_t same_again(struct pattern *p, size_t s, unsigned char digit)
{
    int i = digit - '1';
    if (i < 0 || i >= p->count || p->captures[i].len == PATTERN_UNFINISHED)
        return fail_with(p, "invalid capture index %%%d", i + 1);
    /* A position capture has, as in Lua, a length no subject has. */
    size_t len = (size_t)p->captures[i].len;
    if (p->captures[i].len < 0 || p->subject.len - s < len)
        return FAILED;
    p->steps -= (int64_t)len;
    bool same = memcmp(p->subject.data + p->captures[i].start, p->subject.data + s, len) == 0;
    return same ? (ptrdiff_t)(s + len) : FAILED;
}

/* %f[set]: between a character outside the set and one inside. *at moves behind the set. */
static bool frontier(struct pattern *p, size_t s, size_t *at)
{
    if (pattern_at(p, *at) != '[') {
        fail_with(p, "missing '[' after '%%f' in pattern", 0);
        return false;
    }
    ptrdiff_t end = item_end(p, *at);
    if (end == FAILED)
        return false;
    unsigned char before = s == 0 ? 0 : subject_at(p, s - 1);
    bool fits = !set_has(p, *at, (size_t)end - 1, before) &&
                set_has(p, *at, (size_t)end - 1, subject_at(p, s));
    *at = (size_t)end;
    return fits;
}

/*
 * A single-character item and what follows it. True: *s and *at moved on, and the attempt goes on
 * from there.
 */
static bool take_item(struct pattern *p, size_t *s, size_t *at, ptrdiff_t *result)
{
    ptrdiff_t behind = item_end(p, *at);
    *result = FAILED;
    if (behind == FAILED)
        return false;
    size_t end = (size_t)behind;
    unsigned char suffix = pattern_at(p, end);
    bool has = item_has(p, *at, end, *s);
    if (!has && (suffix == '?' || suffix == '*' || suffix == '-')) {
        *at = end + 1;
        return true;
    }
    switch (suffix) {
    case '?':
        if (has && (*result = attempt(p, *s + 1, end + 1)) != FAILED)
            return false;
        *at = end + 1;
        return true;
    case '+':
        *result = has ? repeat_greedy(p, *s + 1, *at, end) : FAILED;
        return false;
    case '*':
        *result = repeat_greedy(p, *s, *at, end);
        return false;
    case '-':
        *result = repeat_lazy(p, *s, *at, end);
        return false;
    default:
        *s += 1;
        *at = end;
        return has;
    }
}

/*
 * What begins with '%' and is no single character. True: it was one of those, and *s, *at moved on
 * or *done is set.
 */
static bool take_special(struct pattern *p, size_t *s, size_t *at, bool *done)
{
    unsigned char kind = pattern_at(p, *at + 1);
    *done = false;
    if (kind == 'f') {
        *at += 2;
        *done = !frontier(p, *s, at);
        return true;
    }
    if (kind != 'b' && !isdigit(kind))
        return false;
    ptrdiff_t next = kind == 'b' ? balanced(p, *s, *at + 2) : same_again(p, *s, kind);
    *done = next == FAILED;
    *s = (size_t)next;
    *at += kind == 'b' ? 4 : 2;
    return true;
}

static ptrdiff_t run(struct pattern *p, size_t s, size_t at)
{
    ptrdiff_t result;
    bool done;
    while (at < p->pattern.len) {
        if (!may_go_on(p))
            return FAILED;
        unsigned char c = pattern_at(p, at);
        if (c == '(' && pattern_at(p, at + 1) == ')')
            return open_capture(p, s, at + 2, PATTERN_POSITION);
        if (c == '(')
            return open_capture(p, s, at + 1, PATTERN_UNFINISHED);
        if (c == ')')
            return close_capture(p, s, at + 1);
        if (c == '$' && at + 1 == p->pattern.len)
            return s == p->subject.len ? (ptrdiff_t)s : FAILED;
        if (c == ESCAPE && take_special(p, &s, &at, &done)) {
            if (done)
                return FAILED;
            continue;
        }
        if (!take_item(p, &s, &at, &result))
            return result;
        if (p->error)
            return FAILED;
    }
    return (ptrdiff_t)s;
}

enum pattern_result pattern_match(struct pattern *p, size_t start, size_t *end)
{
    p->count = 0;
    p->depth = 0;
    ptrdiff_t at = attempt(p, start, 0);
    if (p->error)
        return PATTERN_ERROR;
    if (p->steps < 0)
        return PATTERN_BUDGET;
    if (at == FAILED)
        return PATTERN_NO_MATCH;
    *end = (size_t)at;
    return PATTERN_MATCH;
}

bool pattern_is_plain(struct text pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.data[i] && strchr("^$*+?.([%-", pattern.data[i]))
            return false;
    return true;
}

ptrdiff_t pattern_find_plain(struct text subject, struct text needle, size_t start)
{
    if (needle.len == 0)
        return (ptrdiff_t)start;
    const char *hit = memmem(subject.data + start, subject.len - start, needle.data, needle.len);
    return hit ? hit - subject.data : -1;
}
