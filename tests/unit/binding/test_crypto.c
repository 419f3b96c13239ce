/* ctx.crypto against the public vectors of what it offers, and against wrong arguments. */
#include "bound_fixture.h"

/* Hex digits as a Lua expression of the bytes. */
#define HEX(digits) "ctx.crypto:from_hex('" digits "')"

static void sha2__gives_the_digests_of_fips_180(void **state)
{
    (void)state;
    expect("get", "return ctx.crypto:sha256('abc')",
           "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
    expect("get", "return ctx.crypto:sha256('', 'hex')",
           "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"");
    expect("get", "return ctx.crypto:sha384('abc')",
           "\"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
           "8086072ba1e7cc2358baeca134c825a7\"");
    expect("get", "return ctx.crypto:sha512('abc')",
           "\"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
           "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f\"");
    expect("get",
           "local c = ctx.crypto return c:hex(c:sha256('abc', 'raw')) == c:sha256('abc') and "
           "#c:sha512('', 'raw')",
           "64");
}

static void sha2__takes_large_texts_in_pieces(void **state)
{
    (void)state;
    expect("get", "return ctx.crypto:sha256(('a'):rep(1000000))",
           "\"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0\"");
    expect("get",
           "local k = 48 * 1024 local c = ctx.crypto local seen = {} "
           "for _, n in ipairs { k - 1, k, k + 1, 2 * k } do seen[c:sha256(('a'):rep(n))] = n end "
           "local n = 0 for _ in pairs(seen) do n = n + 1 end return n",
           "4");
}

static void hmac__is_that_of_rfc_4231(void **state)
{
    (void)state;
    expect("get", "return ctx.crypto:hmac('sha256', ('\\x0b'):rep(20), 'Hi There')",
           "\"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7\"");
    expect("get", "return ctx.crypto:hmac('sha384', ('\\x0b'):rep(20), 'Hi There')",
           "\"afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
           "faea9ea9076ede7f4af152e8b2fa9cb6\"");
    expect("get", "return ctx.crypto:hmac('sha512', ('\\x0b'):rep(20), 'Hi There')",
           "\"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
           "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854\"");
    expect("get", "return ctx.crypto:hmac('sha256', 'Jefe', 'what do ya want for nothing?')",
           "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\"");
    expect("get",
           "return ctx.crypto:hmac('sha256', ('\\xaa'):rep(131), "
           "'Test Using Larger Than Block-Size Key - Hash Key First')",
           "\"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54\"");
    expect("get", "return #ctx.crypto:hmac('sha512', '', '', 'raw')", "64");
}

static void hash__refuses_what_it_does_not_know(void **state)
{
    (void)state;
    expect_error("get", "return ctx.crypto:sha256(7)", PN_EINVAL,
                 "ctx.crypto:sha256: argument 1: expected a string, got number");
    expect_error("get", "return ctx.crypto:sha256('a', 'binary')", PN_EINVAL,
                 "ctx.crypto:sha256: argument 2: a form is \"hex\" or \"raw\", got 'binary'");
    expect_error("get", "return ctx.crypto:hmac('md5', 'k', 't')", PN_EINVAL,
                 "ctx.crypto:hmac: argument 1: a hash is \"sha256\"");
    expect_error("get", "return ctx.crypto:hmac('sha256', ('k'):rep(65537), 't')", PN_EINVAL,
                 "argument 2: a key has at most 65536 bytes, got 65537");
    expect_error("get", "return ctx.crypto:hmac('sha256', 'k')", PN_EINVAL,
                 "argument 3: expected a string, got no value");
}

static void codes__are_those_of_rfc_4648(void **state)
{
    (void)state;
    expect("get", "return ctx.crypto:hex('\\x00\\xfeA')", "\"00fe41\"");
    expect("get", "return ctx.crypto:from_hex('466F6f')", "\"Foo\"");
    static const char *const texts[][3] = {{"", "", ""},
                                           {"f", "Zg==", "Zg"},
                                           {"fo", "Zm8=", "Zm8"},
                                           {"foo", "Zm9v", "Zm9v"},
                                           {"foob", "Zm9vYg==", "Zm9vYg"},
                                           {"fooba", "Zm9vYmE=", "Zm9vYmE"},
                                           {"foobar", "Zm9vYmFy", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char code[256];
        snprintf(code, sizeof code,
                 "local c = ctx.crypto return c:base64('%s') == '%s' and c:base64url('%s') == '%s' "
                 "and c:from_base64('%s') == '%s' and c:from_base64url('%s') == '%s'",
                 texts[i][0], texts[i][1], texts[i][0], texts[i][2], texts[i][1], texts[i][0],
                 texts[i][2], texts[i][0]);
        expect("get", code, "true");
    }
    expect("get",
           "local c = ctx.crypto return { c:base64('\\xfb\\xff'), c:base64url('\\xfb\\xff') }",
           "[\"+/8=\",\"-_8\"]");
}

static void codes__of_any_length_come_back(void **state)
{
    (void)state;
    expect("get",
           "local c, k = ctx.crypto, 48 * 1024\n"
           "for _, n in ipairs { 1, 2, 3, 4, k - 1, k, k + 1, k + 2, k // 2, 2 * k, 300001 } do\n"
           "  local t = c:random_bytes(n % 60000 + 1):rep(n // 60000 + 1)\n"
           "  for _, code in ipairs { 'hex', 'base64', 'base64url' } do\n"
           "    if c['from_' .. code](c, c[code](c, t)) ~= t then return code .. n end\n"
           "  end\nend\nreturn 'good'",
           "\"good\"");
}

static void codes__that_are_wrong_give_nil_and_a_reason(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "from_hex('abc')",
        "from_hex('zz')",
        "from_base64('Zg')",
        "from_base64('Zh==')",
        "from_base64('Z===')",
        "from_base64('-_8=')",
        "from_base64url('Zg==')",
        "from_base64url('+/8')",
        "from_base64url('Z')",
        "from_base64url('Zh')",
        "from_base64(('A'):rep(48 * 1024 - 2) .. '==' .. 'AAAA')",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char code[160];
        snprintf(
            code, sizeof code,
            "local t, why = ctx.crypto:%s return t == nil and why:match('^this is not ') ~= nil",
            wrong[i]);
        expect("get", code, "true");
    }
}

static void random_bytes__come_in_the_length_that_is_asked(void **state)
{
    (void)state;
    expect("get",
           "local c = ctx.crypto return { #c:random_bytes(1), #c:random_bytes(65536), "
           "c:random_bytes(16) ~= c:random_bytes(16) }",
           "[1,65536,true]");
    expect_error("get", "return ctx.crypto:random_bytes(0)", PN_EINVAL,
                 "ctx.crypto:random_bytes: argument 1: it gives 1 to 65536 bytes, got 0");
    expect_error("get", "return ctx.crypto:random_bytes(65537)", PN_EINVAL, "got 65537");
}

static void equal__compares_texts(void **state)
{
    (void)state;
    expect(
        "get",
        "local c, big = ctx.crypto, ('x'):rep(200000) return { c:equal('a', 'a'), c:equal('a', 'b'), "
        "c:equal('a', 'ab'), c:equal('', ''), c:equal(big .. 'a', big .. 'a'), "
        "c:equal(big .. 'a', big .. 'b'), c:equal('b' .. big, 'a' .. big) }",
        "[true,false,false,true,true,false,false]");
    expect_error("get", "return ctx.crypto:equal('a')", PN_EINVAL,
                 "ctx.crypto:equal: argument 2: expected a string");
}

#define PRIVATE_1 HEX("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
#define PUBLIC_1 HEX("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
#define SIGNATURE_1                                                                                \
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"   \
    "f9b46bd25bf5f0595bbe24655141438e7a100b"
#define PRIVATE_2 HEX("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
#define PUBLIC_2 HEX("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
#define SIGNATURE_2                                                                                \
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"   \
    "f11d8c387b2eaeb4302aeeb00d291612bb0c00"

static void ed25519__signs_as_rfc_8032_says(void **state)
{
    (void)state;
    expect("get", "return ctx.crypto:hex(ctx.crypto:sign(" PRIVATE_1 ", ''))",
           "\"" SIGNATURE_1 "\"");
    expect("get", "return ctx.crypto:hex(ctx.crypto:sign(" PRIVATE_2 ", '\\x72'))",
           "\"" SIGNATURE_2 "\"");
    expect("get", "return ctx.crypto:verify(" PUBLIC_1 ", '', " HEX(SIGNATURE_1) ")", "true");
    expect("get", "return ctx.crypto:verify(" PUBLIC_2 ", 'r', " HEX(SIGNATURE_2) ")", "true");
    expect("get", "return ctx.crypto:verify(" PUBLIC_2 ", 's', " HEX(SIGNATURE_2) ")", "false");
    expect("get", "return ctx.crypto:verify(" PUBLIC_1 ", 'r', " HEX(SIGNATURE_2) ")", "false");
    expect("get", "return ctx.crypto:verify(" PUBLIC_1 ", 'r', 'short')", "false");
}

static void ed25519__makes_keys_that_fit_each_other(void **state)
{
    (void)state;
    expect("get",
           "local c = ctx.crypto local k, other = c:keypair(), c:keypair()\n"
           "local s = c:sign(k.private, 'text')\n"
           "return { #k.private, #k.public, #s, c:verify(k.public, 'text', s), "
           "c:verify(other.public, 'text', s), k.private ~= other.private }",
           "[32,32,64,true,false,true]");
    expect_error("get", "return ctx.crypto:sign('short', 'text')", PN_EINVAL,
                 "ctx.crypto:sign: argument 1: a private key has 32 bytes, got 5");
    expect_error("get", "return ctx.crypto:verify(('k'):rep(31), 'text', 's')", PN_EINVAL,
                 "ctx.crypto:verify: argument 1: a public key has 32 bytes, got 31");
    expect_error("get", "return ctx.crypto:sign(('k'):rep(32), ('t'):rep(131073))", PN_EINVAL,
                 "argument 2: a text has at most 131072 bytes, got 131073: sign its sha512");
}

#define GCM_KEY HEX("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")
#define GCM_NONCE "cafebabefacedbaddecaf888"
#define GCM_TEXT                                                                                   \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6" \
    "b525b16aedf5aa0de657ba637b39"
#define GCM_CIPHER                                                                                 \
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682" \
    "8838c5f61e6393ba7a0abcc9f662"
#define GCM_ADDITIONAL HEX("feedfacedeadbeeffeedfacedeadbeefabaddad2")
#define GCM_TAG "76fc6ece0f4e1768cddf8853bb2d551b"

/* Test case 16 of the GCM submission to NIST. */
static void aes_gcm__opens_what_nist_sealed(void **state)
{
    (void)state;
    expect("get",
           "local c = ctx.crypto return c:hex(c:decrypt(" GCM_KEY
           ", " HEX(GCM_NONCE GCM_CIPHER GCM_TAG) ", " GCM_ADDITIONAL "))",
           "\"" GCM_TEXT "\"");
    /* Test case 13: nothing sealed, all zero. */
    expect("get",
           "return ctx.crypto:decrypt(('\\0'):rep(32), ('\\0'):rep(12) .. " HEX(
               "530f8afbc74536b9a963b4f1c4cb738b") ")",
           "\"\"");
}

static void aes_gcm__opens_nothing_that_was_changed(void **state)
{
    (void)state;
    expect("get",
           "local c = ctx.crypto local key = c:random_bytes(32)\n"
           "for _, n in ipairs { 0, 1, 16, 48 * 1024, 48 * 1024 + 1, 200000 } do\n"
           "  local text = ('x'):rep(n) local sealed = c:encrypt(key, text, 'more')\n"
           "  if #sealed ~= n + 28 or c:decrypt(key, sealed, 'more') ~= text then return n end\n"
           "  if sealed == c:encrypt(key, text, 'more') then return 'the same nonce' end\n"
           "end return 'good'",
           "\"good\"");
    expect(
        "get",
        "local c = ctx.crypto local key = c:random_bytes(32) local sealed = c:encrypt(key, 'text')\n"
        "for i = 1, #sealed do\n"
        "  local b = string.char(sealed:byte(i) ~ 1)\n"
        "  local t, why = c:decrypt(key, sealed:sub(1, i - 1) .. b .. sealed:sub(i + 1))\n"
        "  if t or not why:match('^it was not sealed') then return i end\n"
        "  if c:decrypt(key, sealed:sub(1, i - 1)) then return -i end\n"
        "end\n"
        "return { c:decrypt(c:random_bytes(32), sealed) == nil, c:decrypt(key, sealed, 'x') == nil, "
        "c:decrypt(key, sealed) }",
        "[true,true,\"text\"]");
    expect_error("get", "return ctx.crypto:encrypt('key', 'text')", PN_EINVAL,
                 "ctx.crypto:encrypt: argument 1: a key has 32 bytes, got 3");
    expect_error("get", "return ctx.crypto:decrypt(('k'):rep(32), 'text', 7)", PN_EINVAL,
                 "ctx.crypto:decrypt: argument 3: expected a string, got number");
}

static void memory__that_is_not_there_ends_the_call_and_nothing_else(void **state)
{
    (void)state;
    static const char code[] =
        "local c = ctx.crypto local k = c:keypair() local s = c:encrypt(('k'):rep(32), ('t'):rep(5000), 'a')\n"
        "return c:decrypt(('k'):rep(32), s, 'a') and c:from_base64(c:base64(s)) and "
        "c:from_hex(c:hex(s)) and c:hmac('sha256', s, s) and c:sha512(s, 'raw') and "
        "c:verify(k.public, s, c:sign(k.private, s)) and c:random_bytes(2000) and 1";
    expect("get", code, "1");
    size_t failures = 0;
    for (size_t n = 0; n < 2000; n++) {
        fail_allocations(n, SIZE_MAX);
        int rc = run_code("get", code);
        bool injected = fx.allocations > n;
        fail_no_allocation();
        if (!injected)
            break;
        failures++;
        assert_true(rc == CALL_MEMORY || rc == CALL_ERROR || rc == CALL_OK);
    }
    assert_in_range(failures, 20, 1999);
    expect("get", code, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOUND_TEST(sha2__gives_the_digests_of_fips_180),
        BOUND_TEST(sha2__takes_large_texts_in_pieces),
        BOUND_TEST(hmac__is_that_of_rfc_4231),
        BOUND_TEST(hash__refuses_what_it_does_not_know),
        BOUND_TEST(codes__are_those_of_rfc_4648),
        BOUND_TEST(codes__of_any_length_come_back),
        BOUND_TEST(codes__that_are_wrong_give_nil_and_a_reason),
        BOUND_TEST(random_bytes__come_in_the_length_that_is_asked),
        BOUND_TEST(equal__compares_texts),
        BOUND_TEST(ed25519__signs_as_rfc_8032_says),
        BOUND_TEST(ed25519__makes_keys_that_fit_each_other),
        BOUND_TEST(aes_gcm__opens_what_nist_sealed),
        BOUND_TEST(aes_gcm__opens_nothing_that_was_changed),
        BOUND_TEST(memory__that_is_not_there_ends_the_call_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
