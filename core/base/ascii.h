/*
 * Classes of ASCII characters, whatever the locale.
 */
#ifndef PINION_BASE_ASCII_H
#define PINION_BASE_ASCII_H

#include <stdbool.h>

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static inline bool ascii_is_hex(char c)
{
    return ascii_is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

#endif
