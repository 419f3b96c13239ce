#include "contract/pattern_syntax.h"

#include "base/ascii.h"

/* ECMA-262's white space and line terminators, as members of a class, and all that is not. */
#define SPACES                                                                                     \
    "\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"              \
    "\\x{3000}\\x{feff}"
#define NOT_SPACES                                                                                 \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"                     \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

static bool refuse(struct pattern_syntax *s, const char *problem)
{
    s->problem = problem;
    return false;
}

/* The byte `ahead` of where we are, 0 beyond the end. */
static char peek(const struct pattern_syntax *s, size_t ahead)
{
    return s->at + ahead < s->source.len ? s->source.data[s->at + ahead] : 0;
}

static bool comes(const struct pattern_syntax *s, struct text wanted)
{
    return text_starts_with((struct text){s->source.data + s->at, s->source.len - s->at}, wanted);
}

static void put(struct pattern_syntax *s, struct text t)
{
    buffer_append_text(&s->out, t);
}

/* Takes the next `n` bytes as they are. */
static bool copy(struct pattern_syntax *s, size_t n)
{
    buffer_append(&s->out, s->source.data + s->at, n);
    s->at += n;
    return true;
}

/* Puts `t` in the place of the next `n` bytes. */
static bool replace(struct pattern_syntax *s, size_t n, struct text t)
{
    put(s, t);
    s->at += n;
    return true;
}

/* Four hexadecimal digits behind the next `ahead` bytes, or -1. */
static long four_hex(const struct pattern_syntax *s, size_t ahead)
{
    long value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = peek(s, ahead + i);
        if (!ascii_is_hex(c))
            return -1;
        value = value * 16 + (ascii_is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static bool put_code_point(struct pattern_syntax *s, size_t taken, long value)
{
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return refuse(s, "no such character");
    buffer_printf(&s->out, "\\x{%lx}", (unsigned long)value);
    s->at += taken;
    return true;
}

/* \u{1f432} */
static bool translate_braced(struct pattern_syntax *s)
{
    long value = 0;
    size_t n = 3;
    for (; ascii_is_hex(peek(s, n)) && value <= 0x10FFFF; n++) {
        char c = peek(s, n);
        value = value * 16 + (ascii_is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (n == 3 || (peek(s, n) != '}' && value <= 0x10FFFF))
        return refuse(s, "expected hexadecimal digits and '}' after '\\u{'");
    return put_code_point(s, n + 1, value);
}

/* \u0041, or a pair of surrogates for one character. */
static bool translate_unicode(struct pattern_syntax *s)
{
    if (peek(s, 2) == '{')
        return translate_braced(s);
    long high = four_hex(s, 2);
    if (high < 0)
        return refuse(s, "expected four hexadecimal digits after '\\u'");
    if (high < 0xD800 || high > 0xDBFF || peek(s, 6) != '\\' || peek(s, 7) != 'u')
        return put_code_point(s, 6, high);
    long low = four_hex(s, 8);
    if (low < 0xDC00 || low > 0xDFFF)
        return refuse(s, "no such character");
    return put_code_point(s, 12, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
}

static void put_property(struct pattern_syntax *s, char letter, struct text name)
{
    static const struct text general[] = {{"General_Category=", 17}, {"gc=", 3}};
    for (size_t i = 0; i < 2; i++) {
        if (!text_starts_with(name, general[i]))
            continue;
        name.data += general[i].len;
        name.len -= general[i].len;
    }
    name = pattern_syntax_category(name);
    /* Unassigned is a category, its contrary is only a name. */
    bool assigned = text_equal(name, TEXT("Assigned"));
    if (assigned)
        letter = letter == 'p' ? 'P' : 'p';
    buffer_printf(&s->out, "\\%c{%.*s}", letter, TEXT_ARGS(assigned ? TEXT("Cn") : name));
}

static bool translate_property(struct pattern_syntax *s)
{
    char letter = peek(s, 1);
    size_t n = 3;
    if (peek(s, 2) != '{')
        return refuse(s, "expected '{' and a property's name");
    while (ascii_is_letter(peek(s, n)) || ascii_is_digit(peek(s, n)) || peek(s, n) == '_' ||
           peek(s, n) == '=')
        n++;
    if (peek(s, n) != '}' || n == 3)
        return refuse(s, "expected a property's name and '}'");
    put_property(s, letter, (struct text){s->source.data + s->at + 3, n - 3});
    s->at += n + 1;
    return true;
}

static bool translate_backreference(struct pattern_syntax *s, bool in_class)
{
    if (in_class)
        return refuse(s, "no reference to a group can stand in a class");
    size_t n = 1;
    while (ascii_is_digit(peek(s, n)))
        n++;
    s->refers_back = true;
    buffer_printf(&s->out, "\\g{%.*s}", (int)(n - 1), s->source.data + s->at + 1);
    s->at += n;
    return true;
}

static bool translate_named_backreference(struct pattern_syntax *s, bool in_class)
{
    if (in_class || peek(s, 2) != '<')
        return refuse(s, "expected '<' and a group's name after '\\k'");
    s->refers_back = true;
    return copy(s, 3);
}

/* What is an escape in ECMA-262 and not only in PCRE2. */
static bool translate_letter(struct pattern_syntax *s, char c, bool in_class)
{
    switch (c) {
    case 's':
        return replace(s, 2, in_class ? TEXT(SPACES) : TEXT("[" SPACES "]"));
    case 'S':
        return replace(s, 2, in_class ? TEXT(NOT_SPACES) : TEXT("[^" SPACES "]"));
    case 'b':
        return replace(s, 2, in_class ? TEXT("\\x{8}") : TEXT("\\b"));
    case 'B':
        return in_class ? refuse(s, "'\\B' cannot stand in a class") : copy(s, 2);
    case 'v':
        return replace(s, 2, TEXT("\\x{b}"));
    case '0':
        return ascii_is_digit(peek(s, 2)) ? refuse(s, "no octal escapes")
                                          : replace(s, 2, TEXT("\\x{0}"));
    case 'c':
        return ascii_is_letter(peek(s, 2)) ? copy(s, 3)
                                           : refuse(s, "expected a letter after '\\c'");
    case 'x':
        return ascii_is_hex(peek(s, 2)) && ascii_is_hex(peek(s, 3))
                   ? copy(s, 4)
                   : refuse(s, "expected two hexadecimal digits after '\\x'");
    case 'u':
        return translate_unicode(s);
    case 'p':
    case 'P':
        return translate_property(s);
    case 'k':
        return translate_named_backreference(s, in_class);
    default:
        return c != 0 && strchr("dDwWfnrt", c) ? copy(s, 2)
                                               : refuse(s, "no such escape in ECMA-262");
    }
}

static bool translate_escape(struct pattern_syntax *s, bool in_class)
{
    char c = peek(s, 1);
    if (s->at + 1 == s->source.len)
        return refuse(s, "'\\' at the end");
    if (c >= '1' && c <= '9')
        return translate_backreference(s, in_class);
    if (ascii_is_letter(c) || c == '0')
        return translate_letter(s, c, in_class);
    if (c < ' ' || c > '~')
        return refuse(s, "no such escape in ECMA-262");
    return copy(s, 2);
}

static bool is_space_escape(const struct pattern_syntax *s, size_t ahead)
{
    return peek(s, ahead) == '\\' && (peek(s, ahead + 1) | 0x20) == 's';
}

static bool translate_class(struct pattern_syntax *s)
{
    size_t start = s->out.len;
    bool spaces = false; /* \s was just read: it begins no range, nor ends one */
    copy(s, peek(s, 1) == '^' ? 2 : 1);
    while (s->at < s->source.len && peek(s, 0) != ']') {
        bool good = true, was_spaces = spaces;
        spaces = is_space_escape(s, 0);
        if (peek(s, 0) == '\\')
            good = translate_escape(s, true);
        else if (peek(s, 0) == '[')
            replace(s, 1, TEXT("\\["));
        else if (peek(s, 0) == '-' && (was_spaces || is_space_escape(s, 1)))
            replace(s, 1, TEXT("\\-"));
        else
            copy(s, 1);
        if (!good)
            return false;
    }
    if (s->at == s->source.len)
        return refuse(s, "expected ']'");
    copy(s, 1);
    if (s->out.len - start > s->widest_class)
        s->widest_class = s->out.len - start;
    return true;
}

static bool translate_group(struct pattern_syntax *s)
{
    static const struct text known[] = {
        {"(?:", 3}, {"(?=", 3}, {"(?!", 3}, {"(?<=", 4}, {"(?<!", 4}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (comes(s, known[i]))
            return copy(s, known[i].len);
    if (comes(s, TEXT("(*")))
        return refuse(s, "nothing to repeat");
    if (comes(s, TEXT("(?<")))
        return ascii_is_letter(peek(s, 3)) || peek(s, 3) == '_'
                   ? copy(s, 3)
                   : refuse(s, "expected a group's name after '(?<'");
    return comes(s, TEXT("(?")) ? refuse(s, "no such group in ECMA-262") : copy(s, 1);
}

/* The length of "{2}", "{2,}", "{2,5}", or 0; its minimum. */
static size_t count_braces(const struct pattern_syntax *s, size_t *min)
{
    size_t n = 1;
    *min = 0;
    for (; ascii_is_digit(peek(s, n)); n++)
        *min = *min < 100000 ? *min * 10 + (size_t)(peek(s, n) - '0') : *min;
    if (n == 1)
        return 0;
    if (peek(s, n) == ',')
        for (n++; ascii_is_digit(peek(s, n));)
            n++;
    return peek(s, n) == '}' ? n + 1 : 0;
}

static bool translate_quantifier(struct pattern_syntax *s)
{
    size_t min = 0, n = peek(s, 0) == '{' ? count_braces(s, &min) : 1;
    if (n == 0)
        return refuse(s, "'{' does not begin a repetition: write '\\{'");
    /* PCRE2 takes "a++" for something of its own. */
    if (s->repeated)
        return refuse(s, "nothing to repeat");
    if (min > s->repeat_min)
        s->repeat_min = min;
    copy(s, peek(s, n) == '?' ? n + 1 : n);
    s->repeated = true;
    return true;
}

static bool translate_one(struct pattern_syntax *s)
{
    char c = peek(s, 0);
    if (c == '*' || c == '+' || c == '?' || c == '{')
        return translate_quantifier(s);
    s->repeated = false;
    switch (c) {
    case '\\':
        return translate_escape(s, false);
    case '[':
        return translate_class(s);
    case '(':
        return translate_group(s);
    case '.':
        return replace(s, 1, TEXT("[^\\n\\r\\x{2028}\\x{2029}]"));
    default:
        return copy(s, 1);
    }
}

bool pattern_syntax_translate(struct pattern_syntax *s, struct text source)
{
    *s = (struct pattern_syntax){.source = source, .out = BUFFER_INIT};
    while (s->at < source.len)
        if (!translate_one(s))
            return false;
    return !s->out.failed;
}

size_t pattern_syntax_origin(struct text source, size_t offset)
{
    struct pattern_syntax s = {.source = source, .out = BUFFER_INIT};
    size_t before = 0;
    while (s.at < source.len && s.out.len <= offset && !s.out.failed) {
        before = s.at;
        translate_one(&s);
    }
    if (s.out.len <= offset)
        before = source.len;
    buffer_release(&s.out);
    return before;
}

struct text pattern_syntax_category(struct text name)
{
    /* Unicode's PropertyValueAliases.txt, gc; what is the same in both is left out. */
    static const char *const names[][2] = {
        {"Cased_Letter", "L&"},
        {"LC", "L&"},
        {"Close_Punctuation", "Pe"},
        {"Connector_Punctuation", "Pc"},
        {"Control", "Cc"},
        {"cntrl", "Cc"},
        {"Currency_Symbol", "Sc"},
        {"Dash_Punctuation", "Pd"},
        {"Decimal_Number", "Nd"},
        {"digit", "Nd"},
        {"Enclosing_Mark", "Me"},
        {"Final_Punctuation", "Pf"},
        {"Format", "Cf"},
        {"Initial_Punctuation", "Pi"},
        {"Letter", "L"},
        {"Letter_Number", "Nl"},
        {"Line_Separator", "Zl"},
        {"Lowercase_Letter", "Ll"},
        {"Mark", "M"},
        {"Combining_Mark", "M"},
        {"Math_Symbol", "Sm"},
        {"Modifier_Letter", "Lm"},
        {"Modifier_Symbol", "Sk"},
        {"Nonspacing_Mark", "Mn"},
        {"Number", "N"},
        {"Open_Punctuation", "Ps"},
        {"Other", "C"},
        {"Other_Letter", "Lo"},
        {"Other_Number", "No"},
        {"Other_Punctuation", "Po"},
        {"Other_Symbol", "So"},
        {"Paragraph_Separator", "Zp"},
        {"Private_Use", "Co"},
        {"Punctuation", "P"},
        {"punct", "P"},
        {"Separator", "Z"},
        {"Space_Separator", "Zs"},
        {"Spacing_Mark", "Mc"},
        {"Surrogate", "Cs"},
        {"Symbol", "S"},
        {"Titlecase_Letter", "Lt"},
        {"Unassigned", "Cn"},
        {"Uppercase_Letter", "Lu"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_equal_nocase(name, text_of(names[i][0])))
            return text_of(names[i][1]);
    return name;
}
