/* The reserve of free space: against a disk that says what the test wants. */
#include "fixture.h"

#include "base/log.h"
#include "store/group.h"
#include "store/room.h"

#include <sys/statvfs.h>
#include <unistd.h>

static struct {
    unsigned long blocks, free;
    bool fails;
} disk;

int __wrap_statvfs(const char *path, struct statvfs *out);

int __wrap_statvfs(const char *path, struct statvfs *out)
{
    (void)path;
    *out = (struct statvfs){.f_frsize = 4096, .f_blocks = disk.blocks, .f_bavail = disk.free};
    return disk.fails ? -1 : 0;
}

static struct room room;

static int check(int64_t reserve)
{
    struct pn_error err;
    return room_check(&room, "/data/x.db", reserve, &err);
}

static int set_up_room(void **state)
{
    (void)state;
    log_set_level((enum log_level)(LOG_ERROR + 1));
    memset(&room, 0, sizeof room);
    memset(&disk, 0, sizeof disk);
    disk.blocks = 1000000;
    return 0;
}

static void room__is_short_below_the_reserve(void **state)
{
    (void)state;
    disk.free = 256;
    assert_int_equal(check(256 * 4096), 0);
    disk.free = 255;
    assert_int_equal(check(256 * 4096), PN_EFULL);
    disk.free = 256;
    assert_int_equal(check(256 * 4096), 0);
}

static void reserve__is_an_eighth_of_a_small_disk(void **state)
{
    (void)state;
    disk.blocks = 800;
    disk.free = 100;
    assert_int_equal(check(INT64_C(1) << 40), 0);
    disk.free = 99;
    assert_int_equal(check(INT64_C(1) << 40), PN_EFULL);
}

static void room__without_a_reserve_is_not_asked_for(void **state)
{
    (void)state;
    assert_int_equal(check(0), 0);
    assert_int_equal(check(1), PN_EFULL);
}

static void disk__that_cannot_be_looked_at_has_room(void **state)
{
    (void)state;
    disk.fails = true;
    assert_int_equal(check(1), 0);
}

static void command__and_migration_need_room(void **state)
{
    (void)state;
    struct store *s;
    struct pn_error err;
    char path[128];
    const struct store_limits limits = {.reserve_bytes = 4096};
    snprintf(path, sizeof path, "/tmp/pinion-room-%ld.db", (long)getpid());
    disk.free = 1;
    assert_int_equal(store_open(&s, path, STORE_HOME, &limits, &err), 0);
    disk.free = 0;
    assert_int_equal(group_begin(s, &err), PN_EFULL);
    assert_non_null(strstr(err.message, path));
    assert_false(group_is_open(s));
    assert_int_equal(store_begin(s, &err), PN_EFULL);
    disk.free = 1;
    assert_int_equal(group_begin(s, &err), 0);
    group_undo(s);
    assert_int_equal(store_begin(s, &err), 0);
    store_rollback(s);
    store_close(s);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(room__is_short_below_the_reserve, set_up_room),
        cmocka_unit_test_setup(reserve__is_an_eighth_of_a_small_disk, set_up_room),
        cmocka_unit_test_setup(room__without_a_reserve_is_not_asked_for, set_up_room),
        cmocka_unit_test_setup(disk__that_cannot_be_looked_at_has_room, set_up_room),
        cmocka_unit_test_setup(command__and_migration_need_room, set_up_room),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
