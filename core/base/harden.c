#include "base/harden.h"

#include "base/harden_parts.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPABILITY_SETS = 2 }; /* 32 capabilities each */

#ifdef PINION_POISON
/* At its end a leak checker clones a process that traces this one. */
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static int outcome(int rc)
{
    return rc == 0 ? HARDEN_IN_FORCE : -errno;
}

void harden_close_inherited(void)
{
    closefrom(STDERR_FILENO + 1);
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[CAPABILITY_SETS] = {{0, 0, 0}};
    if (syscall(SYS_capget, &head, sets) != 0)
        return true;
    for (size_t i = 0; i < CAPABILITY_SETS; i++)
        if (sets[i].effective || sets[i].permitted || sets[i].inheritable)
            return true;
    return false;
}

/* Who is not root may not touch the bounding set, and has nothing to gain from it: no exec. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[CAPABILITY_SETS] = {{0, 0, 0}};
    for (unsigned long n = 0; prctl(PR_CAPBSET_READ, n, 0, 0, 0) >= 0; n++)
        prctl(PR_CAPBSET_DROP, n, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &head, none) != 0)
        return -errno;
    return has_capabilities() ? -EPERM : HARDEN_IN_FORCE;
}

static int no_new_privileges(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? HARDEN_IN_FORCE : -errno;
}

static int limit(int resource, size_t most)
{
    const struct rlimit r = {most, most};
    return setrlimit((__rlimit_resource_t)resource, &r);
}

/* The hard limit stays: a host may be told of more connections while it runs. */
static int limit_descriptors(size_t wanted)
{
    struct rlimit r;
    if (wanted == 0)
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return -1;
    r.rlim_cur = wanted < r.rlim_max ? wanted : r.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &r);
}

static int set_limits(const struct harden_plan *plan)
{
    int rc = limit(RLIMIT_CORE, 0);
    if (rc == 0)
        rc = limit_descriptors(plan->descriptors);
    if (rc == 0 && !SANITIZED && plan->address_space)
        rc = limit(RLIMIT_AS, plan->address_space);
    return outcome(rc);
}

/*
 * RLIMIT_NPROC counts the threads of the user, but is looked at only when this process would
 * start one: at 0 it never can, and nobody else is concerned. (Root is exempt; seccomp is not.)
 */
static int limit_threads(void)
{
    return SANITIZED ? HARDEN_IN_FORCE : outcome(limit(RLIMIT_NPROC, 0));
}

static int no_dump(void)
{
    return SANITIZED ? HARDEN_SANITIZED : outcome(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

/* SQLite chooses where by asking who may write there, and does not know of Landlock. */
static void place_temporary_files(const struct harden_plan *plan)
{
    if (plan->temporary)
        setenv("SQLITE_TMPDIR", plan->temporary, 1);
}

void harden_process(const struct harden_plan *plan, struct harden_report *out)
{
    int *part = out->part;
    place_temporary_files(plan);
    part[HARDEN_USER] = geteuid() != 0 && getuid() != 0 ? HARDEN_IN_FORCE : HARDEN_IS_ROOT;
    part[HARDEN_DESCRIPTORS] = plan->sole_descriptors ? HARDEN_IN_FORCE : HARDEN_LEFT_OPEN;
    part[HARDEN_NO_DUMP] = no_dump();
    part[HARDEN_CAPABILITIES] = drop_capabilities();
    part[HARDEN_NO_NEW_PRIVILEGES] = no_new_privileges();
    part[HARDEN_FILES] = SANITIZED ? HARDEN_SANITIZED : harden_files(plan);
    part[HARDEN_LIMITS] = set_limits(plan);
    /* The last: it refuses what the others need. */
    part[HARDEN_SYSTEM_CALLS] = SANITIZED ? HARDEN_SANITIZED : harden_system_calls(plan->network);
    part[HARDEN_NETWORK] = plan->network ? HARDEN_CALLS_OUT : part[HARDEN_SYSTEM_CALLS];
    /* What a thread gives up is its own, but for the filter: these begin with all of it. */
    if (plan->start_threads)
        plan->start_threads(plan->user);
    if (part[HARDEN_LIMITS] == HARDEN_IN_FORCE && !plan->threads)
        part[HARDEN_LIMITS] = limit_threads();
}

const char *harden_name(int part)
{
    static const char *const names[HARDEN_PARTS] = {
        "user",         "descriptors", "limits",  "no_dump", "capabilities",
        "no_new_privs", "landlock",    "seccomp", "network",
    };
    return names[part];
}

bool harden_was_refused(int value)
{
    return value < 0 && value > HARDEN_SANITIZED;
}

const char *harden_reason(int value, char out[HARDEN_REASON_SIZE])
{
    switch (value) {
    case HARDEN_IN_FORCE:
        return "";
    case HARDEN_UNKNOWN:
        return "it has not run yet";
    case HARDEN_SANITIZED:
        return "this build has sanitizers, which need what it forbids";
    case HARDEN_IS_ROOT:
        return "it runs as root: no user is set";
    case HARDEN_LEFT_OPEN:
        return "it may hold descriptors that it was started with";
    case HARDEN_CALLS_OUT:
        return "its plugins may call the origins that their needs name (http.outgoing), or a native "
               "binding makes connections";
    case -ENOSYS:
    case -EOPNOTSUPP:
        return "this kernel does not have it, or has it switched off";
    default:
        snprintf(out, HARDEN_REASON_SIZE, "the kernel, or a container, refused it: %s",
                 strerror(-value));
        return out;
    }
}
