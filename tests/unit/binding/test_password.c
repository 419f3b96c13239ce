/* Password hashes: Argon2id as RFC 9106 has it, as PHC strings, bounded; and as a plugin sees it. */
#include "bound_fixture.h"

#include "binding/password.h"

#include <argon2.h>

/* RFC 9106, 5.3, of which a plugin cannot give the secret and the associated data. */
static void library__computes_the_vector_of_rfc_9106(void **state)
{
    (void)state;
    static const unsigned char expected[32] = {0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c,
                                               0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
                                               0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e,
                                               0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59};
    unsigned char tag[32], password[32], salt[16], secret[8], data[12];
    memset(password, 1, sizeof password);
    memset(salt, 2, sizeof salt);
    memset(secret, 3, sizeof secret);
    memset(data, 4, sizeof data);
    argon2_context context = {
        .out = tag,
        .outlen = sizeof tag,
        .pwd = password,
        .pwdlen = sizeof password,
        .salt = salt,
        .saltlen = sizeof salt,
        .secret = secret,
        .secretlen = sizeof secret,
        .ad = data,
        .adlen = sizeof data,
        .t_cost = 3,
        .m_cost = 32,
        .lanes = 4,
        .threads = 1,
        .version = ARGON2_VERSION_13,
    };
    assert_int_equal(argon2id_ctx(&context), ARGON2_OK);
    assert_memory_equal(tag, expected, sizeof tag);
}

static const char *const vectors[] = {
    /* of the reference implementation, "password" and "somesalt" */
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
};

static void hash__is_read_computed_and_written(void **state)
{
    (void)state;
    struct pn_error err;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct password_hash hash;
        unsigned char tag[PASSWORD_BYTES_MAX];
        char text[PASSWORD_TEXT_SIZE];
        assert_int_equal(password_read(text_of(vectors[i]), &hash, &err), 0);
        assert_int_equal(hash.salt_len, 8);
        assert_int_equal(hash.tag_len, 32);
        assert_int_equal(password_derive(&hash, TEXT("password"), tag), 0);
        assert_memory_equal(tag, hash.tag, hash.tag_len);
        assert_int_equal(password_derive(&hash, TEXT("Password"), tag), 0);
        assert_memory_not_equal(tag, hash.tag, hash.tag_len);
        password_write(&hash, text);
        assert_string_equal(text, vectors[i]);
    }
}

static void hash__that_is_malformed_or_too_costly_is_refused(void **state)
{
    (void)state;
    struct pn_error err;
    struct password_hash hash;
#define TAIL "$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", PN_EINVAL},
        {"password", PN_EINVAL},
        {"$2b$12$abcdefghijklmnopqrstuv", PN_EINVAL},
        {"$argon2i$v=19$m=256,t=2,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=16$m=256,t=2,p=2" TAIL, PN_EINVAL},
        {"$argon2id$m=256,t=2,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$t=2,m=256,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=-256,t=2,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=,t=2,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=256,t=0,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=0" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=8,t=2,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=99999999999999999999,t=2,p=2" TAIL, PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ", PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$", PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=2$c29t$AAAAAAAAAAAAAAAAAAAA", PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$AAAA", PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHR$AAAAAAAAAAAAAAAAAAAA", PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ=$AAAAAAAAAAAAAAAAAAAA", PN_EINVAL},
        {"$argon2id$v=19$m=256,t=2,p=2" TAIL "$more", PN_EINVAL},
        {"$argon2id$v=19$m=65537,t=1,p=1" TAIL, PN_ELIMIT},
        {"$argon2id$v=19$m=4294967296,t=1,p=1" TAIL, PN_ELIMIT},
        {"$argon2id$v=19$m=256,t=11,p=1" TAIL, PN_ELIMIT},
        {"$argon2id$v=19$m=256,t=1,p=17" TAIL, PN_ELIMIT},
        {"$argon2id$v=19$m=65536,t=5,p=1" TAIL, PN_ELIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (password_read(text_of(cases[i].text), &hash, &err) != cases[i].code)
            fail_msg("%s: %d", cases[i].text, err.code);
    char long_salt[1024] = "$argon2id$v=19$m=256,t=2,p=2$";
    memset(long_salt + strlen(long_salt), 'A', 800);
    assert_int_equal(password_read(text_of(long_salt), &hash, &err), PN_EINVAL);
    strcat(long_salt, "$AAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(password_read(text_of(long_salt), &hash, &err), PN_EINVAL);
}

static void password__is_known_again(void **state)
{
    (void)state;
    expect("get",
           "local c = ctx.crypto local h = c:hash_password('correct horse')\n"
           "local good, old = c:verify_password('correct horse', h)\n"
           "return { h:match('^%$argon2id%$v=19%$m=19456,t=2,p=1%$') ~= nil, good, old, "
           "(c:verify_password('wrong horse', h)), (c:verify_password('', h)), "
           "(c:verify_password(('x'):rep(5000), h)), h ~= c:hash_password('correct horse') }",
           "[true,true,false,false,false,false,true]");
    expect(
        "get",
        "local c = ctx.crypto local h = c:hash_password('p', { memory_kib = 8192, passes = 5, lanes = 2 })\n"
        "return { h:match('m=8192,t=5,p=2') ~= nil, c:verify_password('p', h) }",
        "[true,true,false]");
    expect(
        "act",
        "return { ctx.crypto:verify_password('password', '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$"
        "bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc') }",
        "[true,true]");
}

static void password__refuses_what_does_not_fit(void **state)
{
    (void)state;
    expect("get",
           "local ok, why = ctx.crypto:verify_password('p', 'plain') return { ok == nil, why }",
           "[true,\"this is no Argon2id hash in PHC form\"]");
    expect_error("get", "return ctx.crypto:hash_password('')", PN_EINVAL,
                 "ctx.crypto:hash_password: argument 1: a password has 1 to 4096 bytes, got 0");
    expect_error("get", "return ctx.crypto:hash_password('p', 3)", PN_EINVAL,
                 "ctx.crypto:hash_password: argument 2: expected a table, got number");
    expect_error("get", "return ctx.crypto:hash_password('p', { passes = 'x' })", PN_EINVAL,
                 "argument 2: 'passes': expected an integer, got string");
    expect_error("get", "return ctx.crypto:hash_password('p', { memory_kib = 64 })", PN_EINVAL,
                 "argument 2: 'memory_kib' is from 7168 to 65536, got 64");
    expect_error("get", "return ctx.crypto:hash_password('p', { passes = 1 })", PN_EINVAL,
                 "memory_kib times passes is from 35840 to 262144, got 19456");
    expect_error("get", "return ctx.crypto:hash_password('p', { memory_kib = 65536, passes = 5 })",
                 PN_EINVAL, "got 327680");
    expect_error("set", "return ctx.crypto:hash_password('p')", PN_EDENIED,
                 "ctx.crypto:hash_password: not in a command");
    expect_error("set", "return ctx.crypto:verify_password('p', 'h')", PN_EDENIED,
                 "ctx.crypto:verify_password: not in a command");
    fx.definition.limits.memory_mb = 16;
    expect_error("get", "return ctx.crypto:hash_password('p')", PN_ELIMIT,
                 "it needs 19456 KiB of memory, and the plugin has 16 MiB (limits.memory_mb)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library__computes_the_vector_of_rfc_9106),
        cmocka_unit_test(hash__is_read_computed_and_written),
        cmocka_unit_test(hash__that_is_malformed_or_too_costly_is_refused),
        BOUND_TEST(password__is_known_again),
        BOUND_TEST(password__refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
