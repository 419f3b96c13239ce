/* What the files of harden share. Each gives HARDEN_IN_FORCE, or why not. Private to them. */
#ifndef PINION_BASE_HARDEN_PARTS_H
#define PINION_BASE_HARDEN_PARTS_H

#include "base/harden.h"

/* Besides these: the negated errno that the kernel answered with. */
enum {
    HARDEN_SANITIZED = -10000,
    HARDEN_IS_ROOT = -10001,
    HARDEN_LEFT_OPEN = -10002,
    HARDEN_CALLS_OUT = -10003,
};

int harden_files(const struct harden_plan *plan);
int harden_system_calls(bool network); /* after no_new_privs */

#endif
