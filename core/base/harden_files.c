/*
 * Landlock: which files the process can still open. Kernel headers may be older than the kernel, so
 * the little that is used of its interface is written down here.
 */
#include "base/harden_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SYS_CREATE_RULESET = 444, SYS_ADD_RULE = 445, SYS_RESTRICT_SELF = 446 };
enum { ASK_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* File access, in the order of its bits. */
enum {
    CAN_EXECUTE = 1 << 0,
    CAN_WRITE = 1 << 1,
    CAN_READ = 1 << 2,
    CAN_LIST = 1 << 3,
    CAN_REMOVE_FILE = 1 << 5,
    CAN_MAKE_FILE = 1 << 8,
    CAN_TRUNCATE = 1 << 14,
    ALL_OF_1 = (1 << 13) - 1, /* what the first version knows */
    ALL_OF_2 = (1 << 14) - 1, /* and moving to other directories */
    ALL_OF_3 = (1 << 15) - 1, /* and truncating */
    ALL_OF_5 = (1 << 16) - 1, /* and ioctl on devices */
    FOR_FILES = CAN_EXECUTE | CAN_WRITE | CAN_READ | CAN_TRUNCATE,
};

enum {
    BIND_TCP = 1 << 0,       /* from version 4 */
    SCOPE_ABSTRACT = 1 << 0, /* from version 6: Unix sockets without a path, of others */
    SCOPE_SIGNALS = 1 << 1,  /* and signals to others */
};

struct ruleset {
    uint64_t files, net, scoped;
};

struct beneath {
    uint64_t allowed;
    int32_t directory;
} __attribute__((packed));

static struct ruleset all_of(long version)
{
    return (struct ruleset){
        .files = version >= 5   ? ALL_OF_5
                 : version >= 3 ? ALL_OF_3
                 : version == 2 ? ALL_OF_2
                                : ALL_OF_1,
        .net = version >= 4 ? BIND_TCP : 0,
        .scoped = version >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNALS : 0,
    };
}

/* What is not there needs no permission. */
static int allow(int rules, const struct ruleset *known, const char *path, uint64_t access)
{
    struct stat st;
    int rc = 0, fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))
        access &= FOR_FILES;
    const struct beneath rule = {access & known->files, fd};
    if (syscall(SYS_ADD_RULE, rules, RULE_PATH_BENEATH, &rule, 0) != 0)
        rc = -errno;
    close(fd);
    return rc;
}

static int allow_all(int rules, const struct ruleset *known, const struct harden_plan *plan)
{
    /* For local time, names of other machines and their certificates. */
    static const char *const system[] = {
        "/usr/share/zoneinfo", "/etc/localtime", "/etc/resolv.conf",
        "/etc/hosts",          "/etc/host.conf", "/etc/nsswitch.conf",
        "/etc/gai.conf",       "/etc/ssl/certs", "/etc/ssl/openssl.cnf",
        "/etc/pki/tls/certs",  "/dev/urandom",   "/usr/share/ca-certificates",
    };
    const uint64_t reading = CAN_READ | CAN_LIST;
    const uint64_t writing = reading | CAN_WRITE | CAN_TRUNCATE | CAN_MAKE_FILE | CAN_REMOVE_FILE;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof plan->readable / sizeof *plan->readable; i++)
        rc = allow(rules, known, plan->readable[i], reading);
    for (size_t i = 0; rc == 0 && i < sizeof plan->writable / sizeof *plan->writable; i++)
        rc = allow(rules, known, plan->writable[i], writing);
    for (size_t i = 0; rc == 0 && i < sizeof system / sizeof *system; i++)
        rc = allow(rules, known, system[i], reading);
    return rc != 0 ? rc : allow(rules, known, "/dev/null", CAN_READ | CAN_WRITE | CAN_TRUNCATE);
}

int harden_files(const struct harden_plan *plan)
{
    long version = syscall(SYS_CREATE_RULESET, NULL, 0, ASK_VERSION);
    if (version <= 0)
        return version < 0 ? -errno : -ENOSYS;
    const struct ruleset known = all_of(version);
    int rules = (int)syscall(SYS_CREATE_RULESET, &known, sizeof known, 0);
    if (rules < 0)
        return -errno;
    int rc = allow_all(rules, &known, plan);
    if (rc == 0 && syscall(SYS_RESTRICT_SELF, rules, 0) != 0)
        rc = -errno;
    close(rules);
    return rc == 0 ? HARDEN_IN_FORCE : rc;
}
