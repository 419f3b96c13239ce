#include "store/room.h"

#include "base/log.h"

#include <sys/statvfs.h>

enum { PART = 8 };

struct space {
    int64_t free, reserve;
};

static bool look(const char *path, struct space *s)
{
    struct statvfs v;
    if (statvfs(path, &v) != 0)
        return false;
    int64_t block = (int64_t)v.f_frsize, part = (int64_t)(v.f_blocks / PART) * block;
    s->free = (int64_t)v.f_bavail * block;
    s->reserve = s->reserve < part ? s->reserve : part;
    return true;
}

static void note(struct room *r, const char *path, const struct space *s)
{
    bool is_short = s->free < s->reserve;
    if (is_short == r->is_short)
        return;
    r->is_short = is_short;
    LOG(is_short ? LOG_WARN : LOG_INFO,
        is_short ? "the disk is nearly full: commands are refused"
                 : "the disk has room again: commands are taken",
        LOG_STRING("path", path), LOG_INT("free_bytes", s->free),
        LOG_INT("reserve_bytes", s->reserve));
}

int room_check(struct room *r, const char *path, int64_t reserve, struct pn_error *err)
{
    struct space s = {.reserve = reserve};
    if (reserve <= 0)
        return 0;
    if (look(path, &s))
        note(r, path, &s);
    return r->is_short
               ? pn_error_set(err, PN_EFULL, "%s: the free space of its disk is kept back", path)
               : 0;
}
