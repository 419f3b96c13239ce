/*
 * Bytes as text and back: hexadecimal digits, base64, base64url (RFC 4648). What comes from outside
 * may be anything, so reading answers nil and a reason and does not raise.
 */
#include "binding/crypto.h"

#include "base/base64.h"

#include <stdio.h>

struct coding {
    const char *name;
    size_t (*encoded_size)(size_t bytes);
    size_t (*write)(char *out, struct text bytes); /* in any pieces that are a multiple of 3 */
    size_t (*decoded_max)(size_t characters);
    bool (*read)(struct text text, char *out, size_t *len); /* in multiples of 4 */
    size_t piece_bytes;                                     /* that a whole piece stands for */
};

void crypto_write_hex(char *out, struct text bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
}

static size_t hex_size(size_t bytes)
{
    return 2 * bytes;
}

static size_t hex_write(char *out, struct text bytes)
{
    crypto_write_hex(out, bytes);
    return 2 * bytes.len;
}

static size_t hex_max(size_t digits)
{
    return digits / 2;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_read(struct text text, char *out, size_t *len)
{
    *len = 0;
    if (text.len % 2)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = digit_of(text.data[i]), low = digit_of(text.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[(*len)++] = (char)(high << 4 | low);
    }
    return true;
}

static const struct coding hex = {"hexadecimal", hex_size, hex_write,
                                  hex_max,       hex_read, CRYPTO_PIECE / 2};
static const struct coding base64 = {"base64",           base64_encoded_size, base64_write,
                                     base64_decoded_max, base64_decode,       CRYPTO_PIECE / 4 * 3};
static const struct coding base64url = {"base64url",      base64url_encoded_size,
                                        base64url_write,  base64url_decoded_size,
                                        base64url_decode, CRYPTO_PIECE / 4 * 3};

static int encode(struct value_frame *f, const struct coding *coding)
{
    struct text text = value_need_text(f, 1), piece;
    char *out = value_scratch(f, coding->encoded_size(text.len) + 1);
    size_t len = 0;
    while (crypto_piece(&text, &piece)) {
        len += coding->write(out + len, piece);
        if (text.len && !call_goes_on())
            crypto_fail(f);
    }
    value_push_text(f, (struct text){out, len});
    return 1;
}

static int decode(struct value_frame *f, const struct coding *coding)
{
    struct text text = value_need_text(f, 1), piece;
    char *out = value_scratch(f, coding->decoded_max(text.len) + 1), reason[40];
    size_t len = 0;
    while (crypto_piece(&text, &piece)) {
        size_t part;
        /* Padding ends a text, and not a piece in its middle. */
        if (!coding->read(piece, out + len, &part) || (text.len && part != coding->piece_bytes)) {
            snprintf(reason, sizeof reason, "this is not %s", coding->name);
            value_push_nil(f);
            value_push_text(f, text_of(reason));
            return 2;
        }
        len += part;
        if (text.len && !call_goes_on())
            crypto_fail(f);
    }
    value_push_text(f, (struct text){out, len});
    return 1;
}

int crypto_hex(struct value_frame *f, void *instance)
{
    (void)instance;
    return encode(f, &hex);
}

int crypto_from_hex(struct value_frame *f, void *instance)
{
    (void)instance;
    return decode(f, &hex);
}

int crypto_base64(struct value_frame *f, void *instance)
{
    (void)instance;
    return encode(f, &base64);
}

int crypto_from_base64(struct value_frame *f, void *instance)
{
    (void)instance;
    return decode(f, &base64);
}

int crypto_base64url(struct value_frame *f, void *instance)
{
    (void)instance;
    return encode(f, &base64url);
}

int crypto_from_base64url(struct value_frame *f, void *instance)
{
    (void)instance;
    return decode(f, &base64url);
}
