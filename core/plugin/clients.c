#include "plugin/clients.h"

#include "contract/export_luacats.h"
#include "contract/export_typescript.h"
#include "http/query.h"

enum { QUERY_SCRATCH = 64 };

static bool is_typescript(struct text name)
{
    return text_equal(name, TEXT("client.ts"));
}

bool clients_has(struct text name)
{
    return is_typescript(name) || text_equal(name, TEXT("client.d.lua"));
}

/* "integers=bigint" and nothing else, or nothing. */
static bool read_integers(struct text query, enum typescript_integers *out)
{
    char scratch[QUERY_SCRATCH];
    struct http_query q = {query, scratch, sizeof scratch};
    struct text name, value;
    int rc;
    *out = TYPESCRIPT_NUMBER;
    while ((rc = http_query_next(&q, &name, &value)) > 0)
        if (!text_equal(name, TEXT("integers")) || !typescript_integers_parse(value, out))
            return false;
    return rc == 0;
}

int clients_write(const struct catalogue *c, struct text name, struct text query,
                  struct buffer *out)
{
    enum typescript_integers integers;
    struct contract_set set;
    if (!read_integers(query, &integers))
        return PN_EINVAL;
    int rc = catalogue_definitions(c, &set);
    if (rc == 0)
        rc = is_typescript(name) ? export_typescript(out, &set, integers)
                                 : export_luacats(out, &set);
    catalogue_definitions_free(&set);
    return rc;
}
