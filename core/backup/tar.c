#include "backup/tar.h"

#include <stdio.h>

/* POSIX.1-2017, pax, "ustar Interchange Format". */
enum {
    NAME = 0,
    MODE = 100,
    OWNER = 108,
    GROUP = 116,
    SIZE = 124,
    TIME = 136,
    SUM = 148,
    TYPE = 156,
    MAGIC = 257,
    NUMBER_SIZE = 12,
};

static const int64_t octal_max = INT64_C(1) << 33; /* 11 digits */

static void put_number(char *at, int64_t value)
{
    if (value < octal_max) {
        snprintf(at, NUMBER_SIZE, "%011llo", (unsigned long long)value);
        return;
    }
    for (int i = NUMBER_SIZE - 1; i > 0; i--, value >>= 8)
        at[i] = (char)(value & 0xFF);
    at[0] = (char)0x80;
}

static bool get_number(const char *at, int64_t *out)
{
    uint64_t value = 0;
    bool octal = (unsigned char)at[0] != 0x80;
    for (int i = octal ? 0 : 1; i < (octal ? NUMBER_SIZE - 1 : NUMBER_SIZE); i++) {
        if (octal && (at[i] < '0' || at[i] > '7'))
            return false;
        if (!octal && value >> 55)
            return false;
        value = octal ? value << 3 | (uint64_t)(at[i] - '0') : value << 8 | (unsigned char)at[i];
    }
    *out = (int64_t)value;
    return true;
}

void tar_header(char out[TAR_BLOCK], const char *name, int64_t size, int64_t seconds)
{
    unsigned sum = 0;
    memset(out, 0, TAR_BLOCK);
    snprintf(out + NAME, TAR_NAME_MAX + 1, "%s", name);
    memcpy(out + MODE, "0000600", 8);
    memcpy(out + OWNER, "0000000", 8);
    memcpy(out + GROUP, "0000000", 8);
    put_number(out + SIZE, size);
    put_number(out + TIME, seconds);
    out[TYPE] = '0';
    memcpy(out + MAGIC,
           "ustar\0"
           "00",
           8);
    /* The sum is made as if it were eight spaces itself. */
    memset(out + SUM, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += (unsigned char)out[i];
    snprintf(out + SUM, 8, "%06o", sum);
    out[SUM + 7] = ' ';
}

bool tar_read(const char block[TAR_BLOCK], int64_t *size, int64_t *seconds)
{
    return get_number(block + SIZE, size) && get_number(block + TIME, seconds);
}
