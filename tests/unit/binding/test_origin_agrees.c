/*
 * What origin_parse takes is what libcurl connects to: random URLs, most of them odd, read by both.
 * Where ours accepts one, libcurl finds the same scheme, host and port in it.
 */
#include "contract/origin.h"

#include "base/random.h"

#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

enum { ROUNDS = 300000, PIECES_MAX = 9 };

static const char *const pieces[] = {
    "http://", "https://", "HTTP://", "a",    "b.c",   "Erp-1",     "_x",  ".",        "..",
    "-",       "@",        ":",       "80",   "443",   ":080",      ":1",  "/",        "//",
    "?",       "#",        "\\",      "[",    "]",     "[::1]",     "::",  "%41",      "%2e",
    " ",       "\t",       "\xC3",    "\xA9", "127.1", "0x7f",      "127", "0177",     "1.2.3.4",
    "*",       "~",        "!",       "$",    "&",     "localhost", ";",   "user:pw@",
};

static size_t random_url(struct random_state *r, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "%s",
                                random_state_next(r) % 8 ? pieces[random_state_next(r) % 2] : "");
    for (uint64_t i = random_state_next(r) % PIECES_MAX; i; i--)
        n += (size_t)snprintf(out + n, size - n, "%s",
                              pieces[random_state_next(r) % (sizeof pieces / sizeof *pieces)]);
    return n;
}

static bool part_is(CURLU *url, CURLUPart part, unsigned flags, const char *expected)
{
    char *value = NULL;
    bool good =
        curl_url_get(url, part, &value, flags) == CURLUE_OK && strcasecmp(value, expected) == 0;
    curl_free(value);
    return good;
}

static bool agrees(const char *text, const struct origin *o)
{
    char port[8], host[ORIGIN_HOST_MAX + 4];
    CURLU *url = curl_url();
    snprintf(port, sizeof port, "%u", (unsigned)o->port);
    snprintf(host, sizeof host, o->kind == ORIGIN_IPV6 ? "[%s]" : "%s", o->host);
    bool good = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                part_is(url, CURLUPART_SCHEME, 0, o->tls ? "https" : "http") &&
                part_is(url, CURLUPART_HOST, 0, host) &&
                part_is(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port) &&
                !part_is(url, CURLUPART_USER, 0, "");
    curl_url_cleanup(url);
    return good;
}

static void origins__are_what_libcurl_connects_to(void **state)
{
    (void)state;
    struct random_state r;
    char url[512], whole[1024];
    int taken = 0;
    random_state_seed(&r, 31);
    for (int i = 0; i < ROUNDS; i++) {
        struct origin o, again;
        struct text rest;
        size_t len = random_url(&r, url, sizeof url);
        if (origin_parse(&o, (struct text){url, len}, &rest, NULL) != 0)
            continue;
        taken++;
        assert_int_equal(origin_parse_alone(&again, text_of(o.text), NULL), 0);
        assert_true(origin_equal(&o, &again));
        bool sendable = true; /* what ctx.http refuses behind the origin is not sent */
        for (size_t k = 0; k < rest.len; k++)
            sendable = sendable && rest.data[k] > ' ' && rest.data[k] <= '~';
        snprintf(whole, sizeof whole, "%s%s%.*s", o.text,
                 rest.len && rest.data[0] == '/' ? "" : "/", TEXT_ARGS(rest));
        if (sendable && !agrees(whole, &o))
            fail_msg("'%s', sent as '%s', is another one for libcurl", url, whole);
    }
    assert_true(taken > ROUNDS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins__are_what_libcurl_connects_to),
    };
    return cmocka_run_group_tests_name("origin agrees", tests, NULL, NULL);
}
