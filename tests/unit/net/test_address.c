#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct pn_error err;

static void parses_as(const char *text, const char *printed)
{
    struct address a;
    char out[ADDRESS_TEXT_SIZE];
    assert_int_equal(address_parse(&a, text_of(text), &err), 0);
    address_print(&a, out);
    assert_string_equal(out, printed);
}

static void address__prints_what_it_parsed(void **state)
{
    (void)state;
    parses_as("127.0.0.1:8080", "127.0.0.1:8080");
    parses_as("[::1]:0", "[::1]:0");
    parses_as("localhost:65535", "localhost:65535");
    parses_as("unix:/run/x.sock", "unix:/run/x.sock");
}

static void address__refuses_what_it_cannot_understand(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "8080",        ":8080",   "host:",  "host:65536",
                                      "host:-1", "host:x",      "::1:80",  "[]:80",  "[::1]",
                                      "unix:",   "host:080000", "host:+1", "host: 1"};
    struct address a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(address_parse(&a, text_of(bad[i]), &err), PN_EINVAL);
}

static void address__reports_the_port_it_got_and_names_one_in_use(void **state)
{
    (void)state;
    struct address a;
    address_parse(&a, TEXT("127.0.0.1:0"), NULL);
    int fd = address_listen(&a, 8, &err);
    assert_true(fd >= 0);
    assert_int_equal(address_of_socket(fd, &a, &err), 0);
    assert_int_not_equal(a.port, 0);
    assert_int_equal(address_listen(&a, 8, &err), PN_EBUSY);
    char wanted[100];
    snprintf(wanted, sizeof wanted, "cannot listen on 127.0.0.1:%u: address already in use",
             a.port);
    assert_string_equal(err.message, wanted);
    int client = address_connect(&a, &err);
    assert_true(client >= 0);
    char peer[ADDRESS_PEER_SIZE];
    address_of_peer(client, peer);
    assert_string_equal(peer, "127.0.0.1");
    close(client);
    close(fd);
    assert_int_equal(address_connect(&a, &err), PN_EIO);
}

static char folder[] = "/tmp/pinion-address-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void unix_path__is_private_and_replaces_only_the_dead(void **state)
{
    (void)state;
    struct address a = {.is_unix = true};
    snprintf(a.path, sizeof a.path, "%s/s", folder);
    int fd = address_listen(&a, 8, &err);
    assert_true(fd >= 0);
    struct stat st;
    assert_int_equal(stat(a.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(address_listen(&a, 8, &err), PN_EBUSY);
    close(fd);
    fd = address_listen(&a, 8, &err); /* nobody answers on the file that was left */
    assert_true(fd >= 0);
    close(fd);
    unlink(a.path);
    FILE *file = fopen(a.path, "w");
    fclose(file);
    assert_int_equal(address_listen(&a, 8, &err), PN_EBUSY); /* not a socket: never removed */
    assert_int_equal(stat(a.path, &st), 0);
    unlink(a.path);
}

static void unix_path__may_be_longer_than_a_socket_name(void **state)
{
    (void)state;
    struct address a = {.is_unix = true};
    char deep[300];
    snprintf(deep, sizeof deep, "%s/%0120d", folder, 7);
    assert_int_equal(mkdir(deep, 0700), 0);
    snprintf(a.path, sizeof a.path, "%s/s", deep);
    int fd = address_listen(&a, 8, &err);
    assert_true(fd >= 0);
    bool pending;
    int client = address_connect_start(&a, &pending, &err);
    assert_true(client >= 0);
    assert_int_equal(address_connect_result(client, &a, &err), 0);
    close(client);
    close(fd);
    unlink(a.path);
    rmdir(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address__prints_what_it_parsed),
        cmocka_unit_test(address__refuses_what_it_cannot_understand),
        cmocka_unit_test(address__reports_the_port_it_got_and_names_one_in_use),
        cmocka_unit_test(unix_path__is_private_and_replaces_only_the_dead),
        cmocka_unit_test(unix_path__may_be_longer_than_a_socket_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
