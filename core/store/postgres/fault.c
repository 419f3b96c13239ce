/*
 * Faults: what the server says went wrong, in the words and codes of store.h. The table is of SQLSTATE
 * codes (PostgreSQL's appendix A), whole ones before classes.
 */
#include "store/postgres/remote_parts.h"

enum again { NEVER, AGAIN };

static const struct known {
    const char *state; /* five characters, or the two of a class */
    int code;
    enum store_fault fault;
    enum again again;
} known[] = {
    {"23505", PN_ESTORE, STORE_FAULT_UNIQUE, NEVER},
    {"23503", PN_ESTORE, STORE_FAULT_FOREIGN_KEY, NEVER},
    {"23001", PN_ESTORE, STORE_FAULT_FOREIGN_KEY, NEVER},
    {"23514", PN_ESTORE, STORE_FAULT_CHECK, NEVER},
    {"23502", PN_ESTORE, STORE_FAULT_NOT_NULL, NEVER},
    {"P0001", PN_ESTORE, STORE_FAULT_RAISE, NEVER},
    {"0A000", PN_ESTORE, STORE_FAULT_OTHER, NEVER},
    {"22", PN_ESTORE, STORE_FAULT_TYPE, NEVER},
    {"42804", PN_ESTORE, STORE_FAULT_TYPE, NEVER},
    {"42501", PN_EDENIED, STORE_FAULT_OTHER, NEVER},
    {"28", PN_EDENIED, STORE_FAULT_OTHER, NEVER},
    {"40003", PN_EIO, STORE_FAULT_OTHER, NEVER}, /* it is not known whether it was done */
    {"40", PN_EBUSY, STORE_FAULT_OTHER, AGAIN},  /* serialisation, deadlocks */
    {"55P03", PN_EBUSY, STORE_FAULT_OTHER, NEVER},
    {"26000", PN_EIO, STORE_FAULT_OTHER, AGAIN}, /* a prepared statement that somebody lost */
    {"57014", PN_ETIMEOUT, STORE_FAULT_OTHER, NEVER},
    {"57", PN_EIO, STORE_FAULT_OTHER, AGAIN}, /* the server goes down, or comes up */
    {"08", PN_EIO, STORE_FAULT_OTHER, AGAIN},
    {"25P03", PN_EIO, STORE_FAULT_OTHER, AGAIN}, /* it was idle for too long */
    {"53100", PN_EFULL, STORE_FAULT_OTHER, NEVER},
    {"53200", PN_ENOMEM, STORE_FAULT_OTHER, NEVER},
    {"53300", PN_EIO, STORE_FAULT_OTHER, AGAIN},
    {"54", PN_ELIMIT, STORE_FAULT_OTHER, NEVER},
    {"58", PN_EIO, STORE_FAULT_OTHER, NEVER},
};

static const struct known *find(const char *state)
{
    static const struct known other = {"", PN_ESTORE, STORE_FAULT_OTHER, NEVER};
    for (size_t i = 0; state && i < sizeof known / sizeof *known; i++)
        if (strncmp(state, known[i].state, strlen(known[i].state)) == 0)
            return &known[i];
    return &other;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* The plan of a statement whose tables a migration has changed: another connection makes a new one. */
static bool is_stale_plan(const char *state, const PGresult *result)
{
    const char *routine = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return strcmp(or_empty(state), "0A000") == 0 && routine &&
           strcmp(routine, "RevalidateCachedQuery") == 0;
}

static bool is_read_only(const char *state)
{
    return strcmp(or_empty(state), "25006") == 0;
}

/* How much of a detail, which quotes what users wrote, is shown with SQL: whole characters. */
static int detail_length(const char *detail)
{
    enum { SHOWN = 200 };
    size_t length = strlen(detail);
    if (length <= SHOWN)
        return (int)length;
    for (length = SHOWN; length && ((unsigned char)detail[length] & 0xC0) == 0x80; length--)
        continue;
    return (int)length;
}

int remote_fault(const struct session *session, const PGresult *result, const PGconn *conn,
                 struct text sql, bool *again, struct pn_error *err)
{
    char excerpt[EXCERPT_SIZE];
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
    struct known k = *find(state);
    if (!state || is_stale_plan(state, result))
        k = (struct known){"", PN_EIO, STORE_FAULT_OTHER, AGAIN};
    if (is_read_only(state) && session && session->kind == SESSION_COMMAND)
        k = (struct known){"", PN_EIO, STORE_FAULT_OTHER, AGAIN}; /* it is a standby now */
    else if (is_read_only(state))
        k.code = PN_EDENIED;
    if (!message)
        message = conn && PQerrorMessage(conn)[0] ? PQerrorMessage(conn) : "no answer";
    *again = k.again == AGAIN;
    if (session)
        store_set_fault(session->remote->store, k.fault);
    int length = (int)strcspn(message, "\n");
    if (!sql.len)
        return pn_error_set(err, k.code, "%.*s%s%s", length, message, detail ? ": " : "",
                            or_empty(detail));
    sql_excerpt(sql, -1, excerpt);
    return pn_error_set(err, k.code, "%.*s%s%.*s in '%s'", length, message, detail ? ": " : "",
                        detail_length(or_empty(detail)), or_empty(detail), excerpt);
}
