#include "binding/password.h"

#include "base/base64.h"

#include <argon2.h>
#include <stdio.h>
#include <sys/mman.h>

static const char beginning[] = "$argon2id$v=19$";

const struct password_costs password_costs_default = {19456, 2, 1};

/* "m=19456," → 19456; false: it does not begin with `name`, or no number follows. */
static bool read_cost(struct text *rest, char separator, const char *name, int64_t *out)
{
    struct text part;
    return text_split(rest, separator, &part) && part.len > 2 && part.data[0] == name[0] &&
           part.data[1] == '=' && part.data[2] != '-' &&
           text_to_int64((struct text){part.data + 2, part.len - 2}, out);
}

/* PHC strings have base64 without padding. */
static bool read_bytes(struct text text, unsigned char out[PASSWORD_BYTES_MAX], size_t *len)
{
    char padded[PASSWORD_BYTES_MAX * 2], bytes[PASSWORD_BYTES_MAX * 2];
    size_t size = (text.len + 3) / 4 * 4;
    if (text.len == 0 || text.len % 4 == 1 || size > sizeof padded ||
        text.data[text.len - 1] == '=')
        return false;
    memset(padded, '=', size);
    memcpy(padded, text.data, text.len);
    if (!base64_decode((struct text){padded, size}, bytes, len) || *len > PASSWORD_BYTES_MAX)
        return false;
    memcpy(out, bytes, *len);
    return true;
}

static int check_costs(const struct password_costs *c, struct pn_error *err)
{
    if (c->lanes < 1 || c->passes < 1 || c->memory < 8 * c->lanes)
        return pn_error_set(err, PN_EINVAL, "the costs of this hash are no costs of Argon2");
    if (c->memory > PASSWORD_MEMORY_MAX || c->passes > PASSWORD_PASSES_MAX ||
        c->lanes > PASSWORD_LANES_MAX || c->memory * c->passes > PASSWORD_WORK_MAX)
        return pn_error_set(err, PN_ELIMIT,
                            "this hash costs more than may be spent: %lld KiB, %lld passes, "
                            "%lld lanes",
                            (long long)c->memory, (long long)c->passes, (long long)c->lanes);
    return 0;
}

int password_read(struct text text, struct password_hash *out, struct pn_error *err)
{
    struct text rest = text, begin = text_of(beginning), salt;
    struct password_costs *c = &out->costs;
    if (text_starts_with(text, begin)) {
        rest = (struct text){text.data + begin.len, text.len - begin.len};
        if (read_cost(&rest, ',', "m", &c->memory) && read_cost(&rest, ',', "t", &c->passes) &&
            read_cost(&rest, '$', "p", &c->lanes) && text_split(&rest, '$', &salt) && rest.data &&
            read_bytes(salt, out->salt, &out->salt_len) && out->salt_len >= 8 &&
            read_bytes(rest, out->tag, &out->tag_len) && out->tag_len >= 12)
            return check_costs(c, err);
    }
    return pn_error_set(err, PN_EINVAL, "this is no Argon2id hash in PHC form");
}

static size_t write_bytes(char *out, const unsigned char *bytes, size_t len)
{
    size_t size = base64_write(out, (struct text){(const char *)bytes, len});
    while (size && out[size - 1] == '=')
        size--;
    out[size] = 0;
    return size;
}

void password_write(const struct password_hash *hash, char out[PASSWORD_TEXT_SIZE])
{
    const struct password_costs *c = &hash->costs;
    size_t at = (size_t)snprintf(out, PASSWORD_TEXT_SIZE, "%sm=%lld,t=%lld,p=%lld$", beginning,
                                 (long long)c->memory, (long long)c->passes, (long long)c->lanes);
    at += write_bytes(out + at, hash->salt, hash->salt_len);
    out[at++] = '$';
    write_bytes(out + at, hash->tag, hash->tag_len);
}

/* Not the heap's: it would be left with a hole of that size, and threads share it. */
static int take_memory(uint8_t **memory, size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *memory = map == MAP_FAILED ? NULL : map;
    return *memory ? 0 : -1;
}

static void give_memory(uint8_t *memory, size_t size)
{
    munmap(memory, size);
}

int password_derive(const struct password_hash *hash, struct text password,
                    unsigned char tag[PASSWORD_BYTES_MAX])
{
    argon2_context context = {
        .out = tag,
        .outlen = (uint32_t)hash->tag_len,
        .pwd = (uint8_t *)(uintptr_t)password.data,
        .pwdlen = (uint32_t)password.len,
        .salt = (uint8_t *)(uintptr_t)hash->salt,
        .saltlen = (uint32_t)hash->salt_len,
        .t_cost = (uint32_t)hash->costs.passes,
        .m_cost = (uint32_t)hash->costs.memory,
        .lanes = (uint32_t)hash->costs.lanes,
        .threads = 1, /* a worker may start none */
        .version = ARGON2_VERSION_13,
        .allocate_cbk = take_memory,
        .free_cbk = give_memory,
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    return argon2id_ctx(&context) == ARGON2_OK ? 0 : PN_ENOMEM;
}
