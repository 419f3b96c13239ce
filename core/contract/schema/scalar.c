/*
 * Checks of numbers and strings. Numbers are compared by their exact value, lengths count
 * characters.
 */
#include "contract/schema/checker.h"

#include <stdio.h>
#include "contract/schema/format.h"

static bool offend_bound(struct schema_checker *c, const struct json_value *value,
                         const struct contract_path *at, const char *relation,
                         const struct json_value *bound)
{
    if (c->quiet)
        return false;
    struct buffer shown = BUFFER_INIT;
    buffer_printf(&shown, "%s ", relation);
    schema_describe(bound, &shown);
    return schema_offend_expected(c, at, value, &shown);
}

static bool is_multiple(const struct json_value *value, const struct json_value *of)
{
    char left[JSON_INTEGER_TEXT_MAX], right[JSON_INTEGER_TEXT_MAX];
    struct json_decimal a = json_value_decimal(value, left), b = json_value_decimal(of, right);
    return json_decimal_is_multiple(&a, &b);
}

bool schema_check_number(struct schema_checker *c, const struct schema_numbers *n,
                         const struct json_value *value, const struct contract_path *at)
{
    if (value->kind == JSON_KIND_NUMBER &&
        !schema_step(c, schema_steps_of(value->number.literal.len)))
        return false;
    if (n->minimum && json_value_compare(value, n->minimum) < 0)
        return offend_bound(c, value, at, "number at least", n->minimum);
    if (n->above && json_value_compare(value, n->above) <= 0)
        return offend_bound(c, value, at, "number greater than", n->above);
    if (n->maximum && json_value_compare(value, n->maximum) > 0)
        return offend_bound(c, value, at, "number at most", n->maximum);
    if (n->below && json_value_compare(value, n->below) >= 0)
        return offend_bound(c, value, at, "number less than", n->below);
    if (n->multiple_of && !is_multiple(value, n->multiple_of))
        return offend_bound(c, value, at, "multiple of", n->multiple_of);
    return true;
}

static bool check_length(struct schema_checker *c, const struct schema_strings *s,
                         struct text value, const struct contract_path *at)
{
    /* Bytes bound characters from above, so counting is rarely needed. */
    if (s->min == 0 && value.len <= s->max)
        return true;
    size_t n = text_characters(value);
    if (n >= s->min && n <= s->max)
        return true;
    char got[40];
    size_t bound = n < s->min ? s->min : s->max;
    snprintf(got, sizeof got, "%zu character%s", n, n == 1 ? "" : "s");
    return schema_offend(c, at, text_of(got), "at %s %zu character%s",
                         n < s->min ? "least" : "most", bound, bound == 1 ? "" : "s");
}

bool schema_matches(struct schema_checker *c, const struct schema_patterned *pattern,
                    struct text value, const struct contract_path *at)
{
    enum contract_pattern_result result =
        contract_pattern_match(pattern->pattern, value, &c->matcher);
    if (result == CONTRACT_PATTERN_NO_MEMORY)
        return schema_end_memory(c);
    if (result == CONTRACT_PATTERN_COSTLY)
        return schema_end(c, at, TEXT("the pattern took too many steps"),
                          "text that matches '%.*s'", TEXT_ARGS(pattern->source));
    return schema_step(c, c->matcher.steps) && result == CONTRACT_PATTERN_MATCH;
}

static bool check_format(struct schema_checker *c, const struct schema_format *format,
                         struct text value, const struct contract_path *at)
{
    int result = format->test(value);
    if (result < 0)
        return schema_end_memory(c);
    return result > 0 || schema_offend(c, at, value, "%s", format->expected);
}

bool schema_check_string(struct schema_checker *c, const struct schema_strings *s,
                         struct text value, const struct contract_path *at)
{
    if (!schema_step(c, schema_steps_of(value.len)))
        return false;
    bool good = check_length(c, s, value, at);
    if ((!good && c->quiet) || c->ended)
        return false;
    if (s->pattern.pattern && !schema_matches(c, &s->pattern, value, at))
        good =
            schema_offend(c, at, value, "text that matches '%.*s'", TEXT_ARGS(s->pattern.source));
    if ((!good && c->quiet) || c->ended)
        return false;
    if (s->format)
        good &= check_format(c, s->format, value, at);
    return good;
}
