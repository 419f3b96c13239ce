/* Which addresses a name may lead to; what is judged is what is connected to. */
#include "binding/origins.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool may_reach(const char *url, const char *address, uint16_t port, uint16_t forbidden)
{
    struct origin origin;
    struct pn_error err;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (origin_parse_alone(&origin, text_of(url), &err) != 0)
        fail_msg("%s", err.message);
    if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
        return origin_may_reach(&origin, (const void *)&four, forbidden);
    assert_int_equal(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
    return origin_may_reach(&origin, (const void *)&six, forbidden);
}

static void name__leads_to_ordinary_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "93.184.216.34", "10.0.0.1",  "172.16.1.1",      "192.168.1.1", "100.64.0.1",
        "126.255.1.1",   "128.0.0.1", "169.253.1.1",     "223.255.1.1", "2001:db8::1",
        "fd12::1",       "fc00::1",   "64:ff9b::808:808"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!may_reach("https://erp.example.com", good[i], 443, 0))
            fail_msg("%s is refused", good[i]);
}

static void name__never_leads_to_this_machine_its_link_or_metadata(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (may_reach("https://erp.example.com", bad[i], 443, 0))
            fail_msg("%s is allowed", bad[i]);
    assert_false(may_reach("http://a.localhost", "127.0.0.1", 80, 0));
}

static void address__that_is_written_is_meant(void **state)
{
    (void)state;
    assert_true(may_reach("http://127.0.0.1:9000", "127.0.0.1", 9000, 0));
    assert_true(may_reach("http://169.254.1.1", "169.254.1.1", 80, 0));
    assert_true(may_reach("http://[::1]:9000", "::1", 9000, 0));
    assert_true(may_reach("http://localhost:9000", "127.0.0.1", 9000, 0));
    assert_true(may_reach("http://localhost:9000", "::1", 9000, 0));
    assert_false(may_reach("http://localhost:9000", "93.184.216.34", 9000, 0));
    assert_false(may_reach("http://localhost:9000", "169.254.169.254", 9000, 0));
}

static void admin_address__is_never_reached(void **state)
{
    (void)state;
    assert_false(may_reach("http://127.0.0.1:8081", "127.0.0.1", 8081, 8081));
    assert_false(may_reach("http://127.9.9.9:8081", "127.9.9.9", 8081, 8081));
    assert_false(may_reach("http://localhost:8081", "::1", 8081, 8081));
    assert_false(may_reach("http://[::ffff:127.0.0.1]:8081", "::ffff:127.0.0.1", 8081, 8081));
    assert_true(may_reach("http://127.0.0.1:8082", "127.0.0.1", 8082, 8081));
    assert_true(may_reach("http://erp:8081", "10.0.0.1", 8081, 8081));
}

static void other_sockets__are_refused(void **state)
{
    (void)state;
    struct origin origin;
    const struct sockaddr local = {.sa_family = AF_UNIX};
    assert_int_equal(origin_parse_alone(&origin, TEXT("http://127.0.0.1"), NULL), 0);
    assert_false(origin_may_reach(&origin, &local, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name__leads_to_ordinary_addresses),
        cmocka_unit_test(name__never_leads_to_this_machine_its_link_or_metadata),
        cmocka_unit_test(address__that_is_written_is_meant),
        cmocka_unit_test(admin_address__is_never_reached),
        cmocka_unit_test(other_sockets__are_refused),
    };
    return cmocka_run_group_tests_name("origins", tests, NULL, NULL);
}
