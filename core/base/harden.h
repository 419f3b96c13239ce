/*
 * Harden: what a process gives up for good before it runs a plugin's code.
 *
 * A plugin is held by its sandbox. This is for the day somebody finds a way out of it: the process
 * around it can then start no program, open no door, reach no other process and no files but its
 * own. Each part is tried on its own; where the kernel (or a container) refuses one, the process
 * runs without it and the report says so. Linux, one thread, which may start others at the one
 * moment that the plan gives for it: they have all of it too. After the call there is no way back.
 */
#ifndef PINION_BASE_HARDEN_H
#define PINION_BASE_HARDEN_H

#include "base/text.h"

enum harden_part {
    HARDEN_USER,        /* it is not root */
    HARDEN_DESCRIPTORS, /* it holds no descriptor that it has no use for */
    HARDEN_LIMITS,  /* RLIMIT_CORE 0, RLIMIT_NPROC 0 without threads, RLIMIT_NOFILE, RLIMIT_AS */
    HARDEN_NO_DUMP, /* no other process of the same user can look into it */
    HARDEN_CAPABILITIES,      /* none in any set */
    HARDEN_NO_NEW_PRIVILEGES, /* no exec gives any */
    HARDEN_FILES,             /* Landlock: the files of the plan, no TCP port of its own */
    HARDEN_SYSTEM_CALLS,      /* seccomp: an allow-list */
    HARDEN_NETWORK,           /* no sockets but Unix ones (by seccomp) */
    HARDEN_PARTS
};

/* HARDEN_UNKNOWN: not tried. Other values: why it is not in force; see harden_reason. */
enum { HARDEN_UNKNOWN = 0, HARDEN_IN_FORCE = 1 };

struct harden_report {
    int part[HARDEN_PARTS];
};

struct harden_plan {
    const char *readable[2]; /* directories, with all beneath them; NULL: none */
    const char *writable[2]; /* directories, with all beneath them; NULL: none */
    const char *temporary;   /* one of those: where SQLite puts what does not fit in memory */
    size_t descriptors;      /* open at once; 0: as many as now */
    size_t address_space;    /* bytes; 0: no limit */
    bool sole_descriptors;   /* the caller has closed all that are of no use */
    void (*start_threads)(void *user); /* NULL: there are none */
    void *user;
    bool network; /* it may make connections */
    bool threads; /* it may start threads of its own, to look up names or in a native binding;
                     processes never */
};

void harden_process(const struct harden_plan *plan, struct harden_report *out);

/* "seccomp", as in the status. */
const char *harden_name(int part);

/* Why a part with this value is not in force. A constant, or `out`. */
enum { HARDEN_REASON_SIZE = 128 };
const char *harden_reason(int value, char out[HARDEN_REASON_SIZE]);

/* The kernel, or who configured it, said no: neither the build nor the plan. */
bool harden_was_refused(int value);

/* Closes what the shell, or whoever started this process, left open beyond standard error. */
void harden_close_inherited(void);

#endif
