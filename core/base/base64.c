#include "base/base64.h"

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Three bytes, or the one or two at the end, as four characters. */
static void encode_group(const char *alphabet, const unsigned char *in, size_t count, char out[4])
{
    unsigned bits = (unsigned)in[0] << 16;
    if (count > 1)
        bits |= (unsigned)in[1] << 8;
    if (count > 2)
        bits |= in[2];
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = count > 1 ? alphabet[bits >> 6 & 63] : '=';
    out[3] = count > 2 ? alphabet[bits & 63] : '=';
}

size_t base64_write(char *out, struct text bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.data;
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i += 3, len += 4)
        encode_group(plain, in + i, bytes.len - i < 3 ? bytes.len - i : 3, out + len);
    return len;
}

size_t base64url_write(char *out, struct text bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.data;
    size_t len = 0, rest;
    for (size_t i = 0; (rest = bytes.len - i) >= 3; i += 3, len += 4)
        encode_group(url, in + i, 3, out + len);
    rest = bytes.len % 3;
    if (rest) {
        char group[4];
        encode_group(url, in + bytes.len - rest, rest, group);
        memcpy(out + len, group, rest + 1);
        len += rest + 1;
    }
    return len;
}

void base64_encode(struct buffer *out, struct text bytes)
{
    if (!bytes.len || !buffer_reserve(out, base64_encoded_size(bytes.len)))
        return;
    out->len += base64_write(out->data + out->len, bytes);
    out->data[out->len] = 0;
}

static int value_of(const char *alphabet, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

/* `count` characters that are no padding, as count - 1 bytes. */
static bool decode_group(const char *alphabet, const char *in, size_t count, char *out)
{
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < count ? value_of(alphabet, in[i]) : 0;
        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
    }
    for (size_t i = 0; i + 1 < count; i++)
        out[i] = (char)(bits >> (16 - 8 * i) & 0xFF);
    unsigned unused = count == 4 ? 0 : count == 3 ? 0xFF : 0xFFFF;
    return (bits & unused) == 0;
}

bool base64_decode(struct text text, char *out, size_t *len)
{
    *len = 0;
    if (text.len % 4 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        const char *group = text.data + i;
        size_t count = 4;
        if (i + 4 == text.len && group[3] == '=')
            count = group[2] == '=' ? 2 : 3;
        if (!decode_group(plain, group, count, out + *len))
            return false;
        *len += count - 1;
    }
    return true;
}

bool base64url_decode(struct text text, char *out, size_t *len)
{
    *len = 0;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t count = text.len - i < 4 ? text.len - i : 4;
        if (!decode_group(url, text.data + i, count, out + *len))
            return false;
        *len += count - 1;
    }
    return true;
}
