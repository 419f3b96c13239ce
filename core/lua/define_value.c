/*
 * Values in a definition: defaults and examples, which must fit their types, and schemas. They are
 * kept as JSON.
 */
#include "lua/define.h"

#include "lua/codec.h"

/* A value that is judged when all refs are resolved. */
struct pending_value {
    struct pending_value *next;
    const struct contract_type *type;
    const char *name; /* "default" */
    struct text path;
    struct text *json;
    int value; /* registry reference */
};

struct encode_job {
    const struct contract_type *type;
    struct buffer json;
    struct contract_offences offences;
    bool fits;
};

/* (job*, value) protected: what it writes to is malloc'd, and encoding may raise. */
static int encode(lua_State *L)
{
    struct encode_job *job = lua_touserdata(L, 1);
    job->fits = codec_encode(L, 2, job->type, &job->json, &job->offences);
    return 0;
}

static int judge(const struct encode_job *job, const char *path, const char *name,
                 struct pn_error *err)
{
    if (job->json.failed || job->offences.list.failed)
        return PN_ENOMEM;
    if (job->fits)
        return 0;
    return pn_error_set(err, PN_EINVAL, "%s: the %s does not fit the type: %s", path, name,
                        buffer_text(&job->offences.list).data);
}

/* The value on top along a type, as JSON. */
static int encode_value(lua_State *L, const struct contract_type *type, struct arena *arena,
                        const char *path, const char *name, struct text *json, struct pn_error *err)
{
    struct encode_job job = {.type = type, .json = BUFFER_INIT};
    contract_offences_init(&job.offences);
    lua_pushcfunction(L, encode);
    lua_pushlightuserdata(L, &job);
    lua_pushvalue(L, -3);
    int status = lua_pcall(L, 2, 0, 0), rc = 0;
    if (status == LUA_OK && (rc = judge(&job, path, name, err)) == 0) {
        *json = arena_text(arena, buffer_text(&job.json));
        rc = json->data ? 0 : PN_ENOMEM;
    }
    contract_offences_release(&job.offences);
    buffer_release(&job.json);
    return status == LUA_OK ? rc : lua_error(L);
}

/* (job*) protected */
static int fill_in(lua_State *L)
{
    struct encode_job *job = lua_touserdata(L, 1);
    codec_check_default(L, job->type, &job->json, &job->offences);
    job->fits = job->offences.count == 0;
    return 0;
}

/* What a default leaves out is filled in as well: without end, if it is refused nowhere. */
static int check_default(lua_State *L, const struct pending_value *v, struct pn_error *err)
{
    struct encode_job job = {.type = v->type, .json = BUFFER_INIT};
    contract_offences_init(&job.offences);
    lua_pushcfunction(L, fill_in);
    lua_pushlightuserdata(L, &job);
    int status = lua_pcall(L, 1, 0, 0), rc = 0;
    if (status == LUA_OK)
        rc = judge(&job, v->path.data, v->name, err);
    contract_offences_release(&job.offences);
    buffer_release(&job.json);
    return status == LUA_OK ? rc : lua_error(L);
}

int define_json(struct type_reader *r, const char *name, struct text *json)
{
    return encode_value(r->L, &codec_any, r->scope->arena, r->path, name, json, r->err);
}

int define_value(struct type_reader *r, struct contract_type *type, const char *name,
                 struct text *json)
{
    struct pending_value *pending = arena_alloc(r->scope->arena, sizeof *pending);
    if (!pending)
        return PN_ENOMEM;
    *pending = (struct pending_value){
        r->scope->values, type, name, arena_text(r->scope->arena, text_of(r->path)), json, 0};
    if (!pending->path.data)
        return PN_ENOMEM;
    /* Until it is encoded: whoever asks whether there is a default knows that there is. */
    *json = TEXT("null");
    lua_pushvalue(r->L, -1);
    pending->value = luaL_ref(r->L, LUA_REGISTRYINDEX);
    r->scope->values = pending;
    return 0;
}

int define_values_finish(lua_State *L, struct type_scope *scope, struct pn_error *err)
{
    int rc = 0;
    for (struct pending_value *v = scope->values; v && rc == 0; v = v->next) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, v->value);
        rc = encode_value(L, v->type, scope->arena, v->path.data, v->name, v->json, err);
        lua_pop(L, 1);
        luaL_unref(L, LUA_REGISTRYINDEX, v->value);
    }
    for (struct pending_value *v = scope->values; v && rc == 0; v = v->next)
        if (v->json == &v->type->default_json)
            rc = check_default(L, v, err);
    return rc;
}
