/*
 * Scan: how far a string is plain, shared by the reader and the writer.
 *
 * Plain is printable ASCII except '"' and '\'. Sixteen bytes at a time where the compiler has SSE2,
 * else eight in a word; never reads at or beyond `end`.
 */
#ifndef PINION_JSON_SCAN_H
#define PINION_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_scan_is_plain(char c)
{
    /* Bytes from 0x80 on are not plain either. */
    return (unsigned char)(c - 0x20) < 0x60 && c != '"' && c != '\\';
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that is not plain. The signed comparison takes in bytes from 0x80
 * on. */
static inline unsigned json_scan_block(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i special = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    special = _mm_or_si128(special, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(special);
}
#else
/* True when any of eight bytes may not be plain ("Bit Twiddling Hacks", S. Anderson: a byte less
 * than n, a zero byte). */
static inline bool json_scan_word(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t w;
    memcpy(&w, p, sizeof w);
    uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    return ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) != 0;
}
#endif

/* The first byte from p on that is not plain, or end. */
static inline const char *json_scan_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned special = json_scan_block(p);
        if (special)
            return p + __builtin_ctz(special);
    }
#else
    while (end - p >= 8 && !json_scan_word(p))
        p += 8;
#endif
    while (p < end && json_scan_is_plain(*p))
        p++;
    return p;
}

/* The end of a run of bytes from 0x80 on. UTF-8 sequences hold nothing else, so runs can be checked
 * one by one. */
static inline const char *json_scan_beyond_ascii(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p >= 0x80)
        p++;
    return p;
}

#endif
