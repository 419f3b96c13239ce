/*
 * luacheck over all Lua files at once, in a process that runs while the rest is looked at.
 *
 * It is told what the sandbox offers through a configuration in memory, so that no file is left
 * anywhere; what else it should overlook is said in the code, by its own comments.
 */
#include "cli/check.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 10000, OUTPUT_MAX = 4 * 1024 * 1024, FILES_MAX = 8192 };

extern char **environ;

/* What core/lua/sandbox.c leaves of Lua 5.4. */
static const char configuration[] =
    "stds.pinion = { read_globals = {\n"
    "  'assert', 'collectgarbage', 'error', 'getmetatable', 'ipairs', 'load', 'next', 'pairs',\n"
    "  'pcall', 'print', 'rawequal', 'rawget', 'rawlen', 'rawset', 'require', 'select',\n"
    "  'setmetatable', 'tonumber', 'tostring', 'type', 'xpcall', '_G', '_VERSION',\n"
    "  coroutine = { other_fields = true }, math = { other_fields = true },\n"
    "  table = { other_fields = true }, utf8 = { other_fields = true },\n"
    "  string = { fields = { 'byte', 'char', 'find', 'format', 'gmatch', 'gsub', 'len', 'lower',\n"
    "    'match', 'pack', 'packsize', 'rep', 'reverse', 'sub', 'unpack', 'upper' } },\n"
    "  os = { fields = { 'clock', 'date', 'difftime', 'time' } },\n"
    "} }\n"
    "std = 'pinion'\n"
    "max_line_length = false\n";

/* A file that ends with its last descriptor; the child has it under the same number. */
static int open_configuration(char path[64])
{
    int fd = memfd_create("luacheck", 0);
    ssize_t size = (ssize_t)sizeof configuration - 1;
    if (fd >= 0 && write(fd, configuration, (size_t)size) != size) {
        close(fd);
        fd = -1;
    }
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

struct arguments {
    char *list[FILES_MAX + 16];
    size_t count;
};

static void add_files(struct check *c, struct arguments *a)
{
    for (size_t i = 0; i < c->plugins.count; i++) {
        const struct inspected *one = &c->plugins.list[i];
        struct bundle bundle;
        if (!check_bundle(one, &bundle))
            continue;
        for (size_t j = 0; j < bundle.count && a->count < FILES_MAX; j++) {
            char path[FILE_PATH_MAX + BUNDLE_PATH_MAX + 2];
            if (!text_ends_with(bundle.files[j].path, TEXT(".lua")))
                continue;
            int len = snprintf(path, sizeof path, "%s/%.*s", one->directory,
                               TEXT_ARGS(bundle.files[j].path));
            struct text copy = arena_text(&c->arena, (struct text){path, (size_t)len});
            if (copy.data)
                a->list[a->count++] = (char *)(uintptr_t)copy.data;
            c->failed = c->failed || !copy.data;
        }
        check_bundle_release(one, &bundle);
    }
}

static int spawn(struct luacheck *l, struct arguments *a)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    int failed = posix_spawnp(&l->child, "luacheck", &actions, NULL, a->list, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        l->child = 0;
    }
    l->output = ends[0];
    return failed;
}

void luacheck_start(struct luacheck *l, struct check *c)
{
    static const char *const options[] = {"luacheck",   "--formatter", "plain",   "--codes",
                                          "--no-color", "--no-cache",  "--config"};
    static struct arguments a; /* one per process */
    char path[64];
    *l = (struct luacheck){.child = 0};
    int configured = open_configuration(path);
    if (configured < 0)
        return;
    a.count = 0;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        a.list[a.count++] = (char *)(uintptr_t)options[i];
    a.list[a.count++] = path;
    size_t before = a.count;
    add_files(c, &a);
    a.list[a.count] = NULL;
    int failed = a.count > before ? spawn(l, &a) : 0;
    c->luacheck = a.count == before  ? "nothing to look at"
                  : failed == 0      ? "ran"
                  : failed == ENOENT ? "not installed"
                                     : "failed";
    close(configured);
}

/* All it says; false: it took too long, or said too much. */
static bool read_output(const struct luacheck *l, struct buffer *out)
{
    char bytes[4096];
    int64_t until = clock_monotonic() + WAIT_MS * NS_PER_MS;
    for (;;) {
        struct pollfd one = {.fd = l->output, .events = POLLIN};
        int64_t left = (until - clock_monotonic()) / NS_PER_MS;
        if (left <= 0 || out->len > OUTPUT_MAX || out->failed)
            return false;
        if (poll(&one, 1, (int)left) < 0 && errno != EINTR)
            return false;
        ssize_t n = one.revents ? read(l->output, bytes, sizeof bytes) : -1;
        if (n == 0)
            return true;
        if (n > 0)
            buffer_append(out, bytes, (size_t)n);
    }
}

/* Where a syntax error was told already. */
static bool is_told(const struct check *c, struct text file, size_t line)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].severity == CHECK_ERROR && c->list[i].line == line &&
            text_equal(c->list[i].file, file))
            return true;
    return false;
}

/* "plugins/orders/init.lua:12:7: (W211) unused variable 'x'"; false: something else. */
static bool note_line(struct check *c, struct text line)
{
    static const char before[] = ": (";
    const char *code = memmem(line.data, line.len, before, sizeof before - 1);
    if (!code || line.data + line.len - code < 9 || code[7] != ')')
        return false;
    struct text place = {line.data, (size_t)(code - line.data)}, numbers[2];
    for (int i = 1; i >= 0; i--) {
        size_t at = place.len;
        while (at > 0 && place.data[at - 1] != ':')
            at--;
        if (at < 2)
            return false;
        numbers[i] = (struct text){place.data + at, place.len - at};
        place.len = at - 1;
    }
    int64_t row, column;
    if (!text_to_int64(numbers[0], &row) || !text_to_int64(numbers[1], &column) || row < 0)
        return false;
    struct check_place at = {place, (size_t)row, (size_t)column};
    struct text message = {code + 9, (size_t)(line.data + line.len - code - 9)};
    if (code[3] == 'E' && is_told(c, place, at.line))
        return true;
    struct check_finding *one =
        check_note(c, CHECK_WARNING, "luacheck", at, "%.*s", TEXT_ARGS(message));
    struct text rule = arena_text(&c->arena, (struct text){code + 3, 4});
    if (one && rule.data)
        one->rule = rule;
    return true;
}

/* 0 nothing, 1 warnings, 2 errors in the code; from 3 on it could not work. */
static bool has_worked(struct luacheck *l, bool whole)
{
    int status = 0;
    if (!whole)
        kill(l->child, SIGKILL);
    while (waitpid(l->child, &status, 0) < 0 && errno == EINTR)
        continue;
    return whole && WIFEXITED(status) && WEXITSTATUS(status) <= 2;
}

void luacheck_finish(struct luacheck *l, struct check *c)
{
    struct buffer out = BUFFER_INIT;
    struct text rest, line, strange = TEXT("it did not come to an end");
    if (!l->child)
        return;
    bool whole = read_output(l, &out);
    close(l->output);
    bool worked = has_worked(l, whole);
    rest = buffer_text(&out);
    while (text_split(&rest, '\n', &line))
        if (line.len && !note_line(c, line))
            strange = line;
    if (!worked) {
        c->luacheck = "failed";
        check_note(c, CHECK_WARNING, "luacheck", (struct check_place){.line = 0},
                   "luacheck failed: %.*s", TEXT_ARGS(strange));
    }
    buffer_release(&out);
}
