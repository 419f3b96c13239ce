#include "host/identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPABILITY_SETS = 2 };

/* Asked with the rights in force now; what is not there yet will be made. */
static int check_path(const char *path, struct pn_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? 0
                               : pn_error_errno(err, PN_EDENIED, "cannot reach '%s' as user %u",
                                                path, (unsigned)geteuid());
    bool folder = S_ISDIR(st.st_mode);
    if (faccessat(AT_FDCWD, path, folder ? R_OK | W_OK | X_OK : R_OK | W_OK, AT_EACCESS) == 0)
        return 0;
    struct passwd *me = getpwuid(geteuid());
    return pn_error_set(err, PN_EDENIED,
                        "'%s' belongs to user %u: user '%s', as whom plugins run, cannot read and "
                        "write it; give it to that user, or set `user`",
                        path, (unsigned)st.st_uid, me ? me->pw_name : "?");
}

static int check_databases(const char *directory, struct pn_error *err)
{
    char path[FILE_PATH_MAX];
    int rc = check_path(directory, err);
    DIR *list = rc == 0 ? opendir(directory) : NULL;
    if (!list)
        return rc;
    for (struct dirent *entry; rc == 0 && (entry = readdir(list));)
        if (entry->d_name[0] != '.' &&
            (rc = file_join(path, sizeof path, directory, text_of(entry->d_name), err)) == 0)
            rc = check_path(path, err);
    closedir(list);
    return rc;
}

static int check_data(const char *data, struct pn_error *err)
{
    static const char *const names[] = {"active.json", "lock", "run", "bundles", "tmp"};
    char path[FILE_PATH_MAX];
    int rc = check_path(data, err);
    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof *names; i++)
        if ((rc = file_join(path, sizeof path, data, text_of(names[i]), err)) == 0)
            rc = check_path(path, err);
    if (rc == 0 && (rc = file_join(path, sizeof path, data, TEXT("db"), err)) == 0)
        rc = check_databases(path, err);
    return rc;
}

static int get_capabilities(struct __user_cap_data_struct sets[CAPABILITY_SETS])
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    return (int)syscall(SYS_capget, &head, sets);
}

static int set_capabilities(const struct __user_cap_data_struct sets[CAPABILITY_SETS])
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    return (int)syscall(SYS_capset, &head, sets);
}

/* Looks with the eyes of a worker: root's capabilities are put aside for as long. */
static int check_as_plain_root(const char *data, struct pn_error *err)
{
    struct __user_cap_data_struct before[CAPABILITY_SETS], none[CAPABILITY_SETS];
    if (get_capabilities(before) != 0)
        return 0;
    memcpy(none, before, sizeof none);
    for (size_t i = 0; i < CAPABILITY_SETS; i++)
        none[i].effective = 0;
    if (set_capabilities(none) != 0)
        return 0;
    int rc = check_data(data, err);
    set_capabilities(before);
    return rc;
}

/* The one folder: those above it would be root's, and closed to the user. */
static int make_data(const char *data, const struct passwd *user, struct pn_error *err)
{
    if (mkdir(data, 0700) != 0)
        return errno == EEXIST ? 0
                               : pn_error_errno(err, PN_EIO, "cannot make directory '%s'", data);
    if (chown(data, user->pw_uid, user->pw_gid) != 0)
        return pn_error_errno(err, PN_EIO, "cannot give '%s' to user '%s'", data, user->pw_name);
    return 0;
}

static int become(const struct passwd *user, struct pn_error *err)
{
    struct __user_cap_data_struct sets[CAPABILITY_SETS] = {{0, 0, 0}};
    sets[0].effective = sets[0].permitted = 1U << CAP_NET_BIND_SERVICE;
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (setgroups(1, &user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return pn_error_errno(err, PN_EDENIED, "cannot become user '%s'", user->pw_name);
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    /* A container may never have had that one; then none is kept. */
    if (set_capabilities(sets) != 0) {
        memset(sets, 0, sizeof sets);
        if (set_capabilities(sets) != 0)
            return pn_error_errno(err, PN_EDENIED, "cannot drop root's capabilities");
    }
    return 0;
}

int identity_take(const struct host_config *c, struct pn_error *err)
{
    const struct passwd *user = c->user[0] ? getpwnam(c->user) : NULL;
    if (c->user[0] && !user)
        return pn_error_set(err, PN_EINVAL, "there is no user '%s' on this machine", c->user);
    if (!user || user->pw_uid == geteuid())
        return geteuid() == 0 ? check_as_plain_root(c->data, err) : 0;
    if (geteuid() != 0)
        return pn_error_set(err, PN_EDENIED,
                            "only root can become user '%s'; this process is user %u", c->user,
                            (unsigned)geteuid());
    int rc = make_data(c->data, user, err);
    if (rc == 0)
        rc = become(user, err);
    return rc != 0 ? rc : check_data(c->data, err);
}
