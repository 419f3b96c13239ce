/*
 * ctx.random: integer(min, max), number() in [0, 1), hex(digits), uuid(). hex and uuid come from
 * the kernel.
 */
#include "base/random.h"

#include "binding/binding.h"

#include <stdio.h>

enum { HEX_DIGITS_MAX = 256 };

/* Lemire's reduction with rejection (ACM TOMACS 29(1), 2019): no modulo bias. */
static uint64_t below(uint64_t range)
{
    unsigned __int128 product = (unsigned __int128)random_next() * range;
    uint64_t low = (uint64_t)product;
    if (low < range) {
        uint64_t threshold = (0 - range) % range;
        while (low < threshold) {
            product = (unsigned __int128)random_next() * range;
            low = (uint64_t)product;
        }
    }
    return (uint64_t)(product >> 64);
}

static int random_integer(struct value_frame *f, void *instance)
{
    (void)instance;
    int64_t min = value_need_integer(f, 1), max = value_need_integer(f, 2);
    if (min > max)
        value_raise(f, PN_EINVAL, "ctx.random:integer: the least value is above the greatest");
    uint64_t range = (uint64_t)max - (uint64_t)min + 1;
    uint64_t offset = range ? below(range) : random_next();
    value_push_integer(f, (int64_t)((uint64_t)min + offset));
    return 1;
}

static int random_number(struct value_frame *f, void *instance)
{
    (void)instance;
    value_push_number(f, (double)(random_next() >> 11) * 0x1p-53);
    return 1;
}

static void write_hex(const unsigned char *bytes, size_t digits, char *out)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < digits; i++)
        out[i] = hex[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
}

static int random_hex_digits(struct value_frame *f, void *instance)
{
    (void)instance;
    unsigned char bytes[HEX_DIGITS_MAX / 2];
    char text[HEX_DIGITS_MAX];
    int64_t digits = value_need_integer(f, 1);
    if (digits < 1 || digits > HEX_DIGITS_MAX)
        value_raise(f, PN_EINVAL, "ctx.random:hex gives 1 to %d digits", HEX_DIGITS_MAX);
    random_secret(bytes, sizeof bytes);
    write_hex(bytes, (size_t)digits, text);
    value_push_text(f, (struct text){text, (size_t)digits});
    return 1;
}

/* Version 4 of RFC 9562. */
static int random_uuid(struct value_frame *f, void *instance)
{
    (void)instance;
    unsigned char bytes[16];
    char digits[32], text[40];
    random_secret(bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    write_hex(bytes, sizeof digits, digits);
    snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12,
             digits + 16, digits + 20);
    value_push_text(f, text_of(text));
    return 1;
}

static const struct value_method methods[] = {
    {"integer", random_integer},
    {"number", random_number},
    {"hex", random_hex_digits},
    {"uuid", random_uuid},
    {NULL, NULL},
};

const struct binding binding_random = {"random", true, methods, NULL};
