/*
 * Values: PostgreSQL's types as Lua's, and back. Results come as texts; the numbers of types are those
 * of pg_type, which never change.
 */
#include "store/postgres/remote_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_VARCHAR = 1043,
    OID_NUMERIC = 1700,
};

enum store_type remote_value_type(Oid type, struct text value)
{
    int64_t integer;
    switch (type) {
    case OID_INT8:
    case OID_INT2:
    case OID_INT4:
    case OID_OID:
        return STORE_INTEGER;
    case OID_BOOL:
        return STORE_BOOLEAN;
    case OID_FLOAT4:
    case OID_FLOAT8:
        return STORE_FLOAT;
    case OID_BYTEA:
        return STORE_BLOB;
    case OID_NUMERIC:
        return text_to_int64(value, &integer) ? STORE_INTEGER : STORE_TEXT;
    default:
        return STORE_TEXT;
    }
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool remote_value_bytes(struct text hex, struct buffer *out)
{
    if (hex.len < 2 || hex.len % 2 || hex.data[0] != '\\' || hex.data[1] != 'x' ||
        !buffer_reserve(out, hex.len / 2))
        return false;
    for (size_t i = 2; i < hex.len; i += 2) {
        int high = digit(hex.data[i]), low = digit(hex.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        buffer_append_char(out, (char)(high << 4 | low));
    }
    return true;
}

bool remote_value_is_binary(Oid type, const struct remote_value *v)
{
    return (v->type == STORE_TEXT || v->type == STORE_BLOB) &&
           (type == OID_BYTEA || type == OID_TEXT || type == OID_VARCHAR);
}

/* Written as an integer, which a parameter of such a type needs: 1e+15 is none. 0 may be -0. */
static bool is_whole(double number)
{
    return number != 0 && number > -0x1p63 && number < 0x1p63 && number == (double)(int64_t)number;
}

/* Shortest first: 0.1 is not 0.10000000000000001. numeric takes no sign with NaN. */
static void write_number(struct buffer *out, double number)
{
    char text[40];
    if (isnan(number)) {
        buffer_append_string(out, "NaN");
        return;
    }
    if (is_whole(number)) {
        buffer_append_int64(out, (int64_t)number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buffer_append_string(out, text);
}

void remote_value_write(struct buffer *out, Oid type, const struct remote_value *v)
{
    bool is_boolean = v->type == STORE_BOOLEAN;
    if (is_boolean && type != OID_INT2 && type != OID_INT4 && type != OID_INT8 &&
        type != OID_NUMERIC)
        buffer_append_string(out, v->as.integer ? "true" : "false");
    else if (v->type == STORE_INTEGER || is_boolean)
        buffer_append_int64(out, v->as.integer);
    else if (v->type == STORE_FLOAT)
        write_number(out, v->as.number);
    else
        buffer_append_text(out, v->as.text);
    buffer_append_char(out, 0);
}
