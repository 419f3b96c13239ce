/*
 * Inside core/lua only: ctx.secrets and ctx.config, which vm.h offers to others.
 */
#ifndef PINION_LUA_SETTINGS_H
#define PINION_LUA_SETTINGS_H

#include "lua/codec.h"

struct config_job {
    const struct contract_type *type; /* NULL: any object */
    struct text json;
    struct buffer scratch; /* the caller's, as what it holds must outlive a Lua error */
    struct contract_offences offences;
    bool read; /* the text is JSON */
};

int settings_bind_secret(lua_State *L); /* (name*, value*) struct text; protected */
int settings_bind_config(lua_State *L); /* (job*) protected */
/* What the first offence of a job says, as an error. */
int settings_refuse_config(const struct config_job *job, struct pn_error *err);

/* Where the value on top is a front of ctx.config: the real table takes its place. */
void settings_unwrap(lua_State *L);

/* Overwrites the values of ctx.secrets; the state is only to be closed then. */
void settings_cleanse(lua_State *L);

#endif
