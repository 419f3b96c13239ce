/*
 * Usage: which callers have used which capabilities and members during the last days, so that what a
 * change breaks can be told with who it breaks it for.
 *
 * Kept by the control process, day by day (UTC), in usage.json in the data directory; bounded in
 * callers and entries. Figures for people: what a process had not told when it died is missing.
 */
#ifndef PINION_RELEASE_USAGE_H
#define PINION_RELEASE_USAGE_H

#include "base/map.h"
#include "contract/compare.h"

enum {
    USAGE_DAYS = 8,         /* today and the seven before it */
    USAGE_DAYS_TOLD = 7,    /* today and the six before it */
    USAGE_CALLERS_MAX = 64, /* of one capability; others count as "other" */
    USAGE_ENTRIES_MAX = 8192,
};

#define USAGE_FILE "usage.json"

/* Counts of today first, then of the days before. */
struct usage_member {
    struct usage_member *next;
    uint64_t days[USAGE_DAYS];
    char name[]; /* terminated */
};

struct usage_entry {
    char *key;                      /* "orders.place@1 web-shop"; the map's key */
    struct text capability, caller; /* views of it */
    uint64_t calls[USAGE_DAYS], by_route[USAGE_DAYS];
    struct usage_member *members;
};

struct usage {
    struct map entries; /* owned */
    int64_t day;   /* days since 1970 UTC that index 0 stands for; 0: nothing was counted yet */
    int64_t since; /* the first day that something was counted on */
    bool dirty;    /* it differs from the file */
    uint32_t news; /* entries and members that were added, ever */
};

void usage_init(struct usage *u);
void usage_release(struct usage *u);

/* An absent file is empty. PN_EINVAL: damaged; PN_EIO, PN_ENOMEM. */
int usage_read(struct usage *u, const char *path, struct pn_error *err);
int usage_write(struct usage *u, const char *path, bool durable, struct pn_error *err);

int64_t usage_today(void);
/* Days pass: what is older than USAGE_DAYS goes. */
void usage_advance(struct usage *u, int64_t today);

/* Counts on the current day. NULL: no memory, or too many entries. */
struct usage_entry *usage_add(struct usage *u, struct text capability, struct text caller,
                              uint64_t calls, uint64_t by_route);
void usage_add_member(struct usage *u, struct usage_entry *entry, struct text name, uint64_t count);

/* The sum of the days that are told. */
uint64_t usage_sum(const uint64_t days[USAGE_DAYS]);

/*
 * Says of each change that breaks callers who has used what it breaks: "used 1,204 times in 7 days by
 * web-shop", "never used since 2026-11-18". Nothing where nothing was ever counted. PN_ENOMEM.
 */
int usage_annotate(const struct usage *u, struct contract_changes *changes, struct arena *arena);

/* {"since":"2026-11-18","days":7,"capabilities":[…]}: the busiest, a hundred at most. */
void usage_write_status(const struct usage *u, struct buffer *out);

#endif
