/* What a hardened process can still do, and what it cannot. Each test hardens a child of its own. */
#include "base/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64], writable[96], readable[96], outside[96];
static struct harden_report *report; /* shared with the children */
static bool wants_threads, wants_no_network;

/* In a child: the line of the first thing that is not as it must be, 0 when all is. */
#define MUST(condition)                                                                            \
    if (!(condition))                                                                              \
    return __LINE__

/* `call` must fail with that errno. */
#define MUST_FAIL(call, number) MUST((errno = 0, (call) == -1 && errno == (number)))

static void write_file(const char *name, const char *in)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", in, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, 1), 1);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/pinion-harden-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(readable, sizeof readable, "%s/data", directory);
    snprintf(writable, sizeof writable, "%s/data/db", directory);
    snprintf(outside, sizeof outside, "%s/outside", directory);
    mkdir(readable, 0700);
    mkdir(writable, 0700);
    write_file("data/active", directory);
    write_file("outside", directory);
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return report == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    munmap(report, sizeof *report);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

/* The wait status of a hardened child that runs `check`; its result is in *line. */
static int run_hardened(int (*check)(void), int *line)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct harden_plan plan = {.readable = {readable},
                                         .writable = {writable},
                                         .temporary = writable,
                                         .descriptors = 100,
                                         .sole_descriptors = true,
                                         .network = !wants_no_network,
                                         .threads = wants_threads};
        alarm(20);
        harden_process(&plan, report);
        int failed = check();
        ssize_t written = write(ends[1], &failed, sizeof failed);
        _exit(written == sizeof failed ? 0 : 1);
    }
    close(ends[1]);
    assert_true(child > 0);
    *line = 0;
    ssize_t n = read(ends[0], line, sizeof *line);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(status != 0 || n == sizeof *line);
    return status;
}

static int nothing(void)
{
    return 0;
}

/* Skips the test where this machine or this build does not have the part. */
static void need(int part)
{
    int line;
    char why[HARDEN_REASON_SIZE];
    assert_int_equal(run_hardened(nothing, &line), 0);
    if (report->part[part] == HARDEN_IN_FORCE)
        return;
    print_message("no %s here: %s\n", harden_name(part), harden_reason(report->part[part], why));
    skip();
}

static void assert_holds(int (*check)(void))
{
    int line, status = run_hardened(check, &line);
    if (status != 0 || line != 0)
        fail_msg("line %d does not hold (wait status %#x)", line, (unsigned)status);
}

/* The number after `name` in /proc/PID/status, read by the parent: a child may not look. */
static int status_number(pid_t pid, const char *name, unsigned long long *out)
{
    char path[64], text[4096], format[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n < 0 ? 0 : n] = 0;
    const char *at = strstr(text, name);
    snprintf(format, sizeof format, "%s:\t%%llx", name);
    return at ? sscanf(at, format, out) : 0;
}

static void report__agrees_with_the_kernel(void **state)
{
    (void)state;
    unsigned long long value;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char wait;
        alarm(20);
        close(ends[1]);
        harden_process(&(struct harden_plan){.readable = {readable}}, report);
        report->part[HARDEN_DESCRIPTORS] = INT_MAX; /* it is done */
        _exit(read(ends[0], &wait, 1) == 0 ? 0 : 1);
    }
    for (volatile int *done = &report->part[HARDEN_DESCRIPTORS]; *done != INT_MAX;)
        usleep(1000);
    assert_int_equal(report->part[HARDEN_CAPABILITIES], HARDEN_IN_FORCE);
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        assert_int_equal(status_number(child, sets[i], &value), 1);
        assert_int_equal(value, 0);
    }
    assert_int_equal(report->part[HARDEN_NO_NEW_PRIVILEGES], HARDEN_IN_FORCE);
    assert_int_equal(status_number(child, "NoNewPrivs", &value), 1);
    assert_int_equal(value, 1);
    assert_int_equal(status_number(child, "Seccomp", &value), 1);
    assert_int_equal(value, report->part[HARDEN_SYSTEM_CALLS] == HARDEN_IN_FORCE ? 2 : 0);
    assert_int_equal(report->part[HARDEN_USER] == HARDEN_IN_FORCE, geteuid() != 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static int limits_hold(void)
{
    struct rlimit r;
    MUST(getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_cur == 0 && r.rlim_max == 0);
    MUST(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == 100);
    return 0;
}

static void limits__are_those_of_the_plan(void **state)
{
    (void)state;
    assert_holds(limits_hold);
    assert_int_equal(report->part[HARDEN_LIMITS], HARDEN_IN_FORCE);
}

static void *on_thread(void *user)
{
    *(int *)user = 1;
    return NULL;
}

static int threads_start(void)
{
    pthread_t thread;
    int ran = 0;
    MUST(pthread_create(&thread, NULL, on_thread, &ran) == 0);
    MUST(pthread_join(thread, NULL) == 0 && ran == 1);
    return 0;
}

static int only_threads_start(void)
{
    MUST_FAIL(fork(), EPERM);
    return threads_start();
}

static int no_thread_starts(void)
{
    pthread_t thread;
    int ran = 0;
    MUST(pthread_create(&thread, NULL, on_thread, &ran) == EAGAIN);
    return 0;
}

static void threads__start_where_they_are_wanted(void **state)
{
    (void)state;
    wants_threads = true;
    assert_holds(threads_start);
    bool filtered = report->part[HARDEN_SYSTEM_CALLS] == HARDEN_IN_FORCE;
    assert_holds(filtered ? only_threads_start : threads_start);
    wants_threads = false;
    if (filtered && geteuid() != 0)
        assert_holds(no_thread_starts);
}

static int only_unix_sockets(void)
{
    MUST_FAIL(socket(AF_INET, SOCK_STREAM, 0), EPERM);
    MUST_FAIL(socket(AF_INET6, SOCK_DGRAM, 0), EPERM);
    MUST(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    return 0;
}

static void network__is_not_there_unless_it_is_wanted(void **state)
{
    (void)state;
    int line;
    assert_int_equal(run_hardened(nothing, &line), 0);
    assert_int_not_equal(report->part[HARDEN_NETWORK], HARDEN_IN_FORCE);
    need(HARDEN_SYSTEM_CALLS);
    wants_no_network = true;
    assert_holds(only_unix_sockets);
    assert_int_equal(report->part[HARDEN_NETWORK], HARDEN_IN_FORCE);
    wants_no_network = false;
}

static volatile sig_atomic_t ticks;

static void on_timer(int number)
{
    (void)number;
    ticks++;
}

/* What budgets need: a timer of their own, whose signal comes while code runs. */
static int timers_tick(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
    const struct itimerspec soon = {.it_value = {0, 500000}};
    MUST(signal(SIGRTMIN + 1, on_timer) != SIG_ERR);
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    MUST(timer_settime(timer, 0, &soon, NULL) == 0);
    while (!ticks)
        continue;
    MUST(timer_delete(timer) == 0);
    return 0;
}

static int files_of_a_database(void)
{
    char path[160], other[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/new.db", writable);
    snprintf(other, sizeof other, "%s/renamed.db", writable);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    MUST(fd >= 0);
    MUST(fcntl(fd, F_SETLK, &lock) == 0);
    MUST(pwrite(fd, "page", 4, 0) == 4 && ftruncate(fd, 4096) == 0 && fdatasync(fd) == 0);
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(map != MAP_FAILED);
    MUST(memcmp(map, "page", 4) == 0 && munmap(map, 4096) == 0);
    MUST(fstat(fd, &st) == 0 && fchmod(fd, 0600) == 0 && close(fd) == 0);
    MUST(rename(path, other) == 0 && stat(other, &st) == 0 && unlink(other) == 0);
    fd = open(writable, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(fd >= 0 && fsync(fd) == 0 && close(fd) == 0);
    return 0;
}

static int memory_of_a_fiber(void)
{
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(map != MAP_FAILED);
    MUST(mprotect(map, 4096, PROT_NONE) == 0 && madvise(map + 4096, 4096, MADV_DONTNEED) == 0);
    MUST(munmap(map, 8192) == 0);
    return 0;
}

static int ordinary_work(void)
{
    int pair[2], line;
    char byte;
    if ((line = timers_tick()) || (line = files_of_a_database()) || (line = memory_of_a_fiber()))
        return line;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(loop, EPOLL_CTL_ADD, pair[0], &event) == 0);
    MUST(send(pair[1], "x", 1, MSG_NOSIGNAL) == 1 && epoll_wait(loop, &event, 1, 1000) == 1);
    MUST(recv(pair[0], &byte, 1, 0) == 1);
    MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
    MUST(socket(AF_INET6, SOCK_DGRAM, 0) >= 0 && socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    MUST(open("/dev/null", O_RDWR) >= 0);
    return 0;
}

static void work__goes_on(void **state)
{
    (void)state;
    assert_holds(ordinary_work);
}

static int refusals(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    MUST(fd >= 0);
    MUST_FAIL(bind(fd, (struct sockaddr *)&any, sizeof any), EPERM);
    MUST_FAIL(listen(fd, 1), EPERM);
    MUST_FAIL(socket(AF_INET, SOCK_RAW, 0), EPERM);
    MUST_FAIL(socket(AF_NETLINK, SOCK_DGRAM, 0), EPERM);
    MUST_FAIL(fork(), EPERM);
    MUST_FAIL(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EPERM);
    MUST_FAIL(syscall(SYS_clone3, NULL, 0), ENOSYS);
    MUST_FAIL(syscall(SYS_memfd_create, "x", 0), ENOSYS);
    MUST_FAIL(syscall(SYS_pidfd_open, getppid(), 0), ENOSYS);
    MUST_FAIL(kill(getppid(), 0), EPERM);
    MUST_FAIL((int)syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM);
    MUST(kill(getpid(), 0) == 0);
    MUST_FAIL(fcntl(fd, F_SETOWN, getppid()), EPERM);
    MUST_FAIL(ioctl(0, TIOCSTI, "x"), EPERM);
    MUST_FAIL(prlimit(getppid(), RLIMIT_CORE, NULL, &(struct rlimit){0}), EPERM);
    MUST_FAIL(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), EPERM);
    MUST(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    MUST(errno == EPERM);
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST_FAIL(mprotect(map, 4096, PROT_READ | PROT_EXEC), EPERM);
    return 0;
}

static void seccomp__refuses_what_can_be_done_without(void **state)
{
    (void)state;
    need(HARDEN_SYSTEM_CALLS);
    assert_holds(refusals);
}

static int start_a_program(void)
{
    char *const arguments[] = {(char[]){"true"}, NULL};
    execve("/bin/true", arguments, arguments + 1);
    return __LINE__;
}

static int trace_the_parent(void)
{
    ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
    return __LINE__;
}

static int read_foreign_memory(void)
{
    syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
    return __LINE__;
}

static int load_into_the_kernel(void)
{
    syscall(SYS_bpf, 0, NULL, 0);
    return __LINE__;
}

static int ring_around(void)
{
    syscall(SYS_io_uring_setup, 1, NULL);
    return __LINE__;
}

static int become_root(void)
{
    syscall(SYS_setuid, 0);
    return __LINE__;
}

#if defined(__x86_64__)
static int call_x32(void)
{
    syscall(0x40000000 | SYS_getpid);
    return __LINE__;
}
#endif

static void seccomp__ends_an_intruder(void **state)
{
    (void)state;
    static int (*const attacks[])(void) = {
        start_a_program,
        trace_the_parent,
        read_foreign_memory,
        load_into_the_kernel,
        ring_around,
        become_root,
#if defined(__x86_64__)
        call_x32,
#endif
    };
    need(HARDEN_SYSTEM_CALLS);
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        int line, status = run_hardened(attacks[i], &line);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("attack %zu returned at line %d", i, line);
    }
}

static int foreign_files(void)
{
    char path[160];
    MUST_FAIL(open("/etc/shadow", O_RDONLY), EACCES);
    MUST_FAIL(open("/etc/passwd", O_RDONLY), EACCES);
    MUST_FAIL(open(outside, O_RDONLY), EACCES);
    MUST_FAIL(open(outside, O_WRONLY), EACCES);
    MUST_FAIL(open("/", O_RDONLY | O_DIRECTORY), EACCES);
    MUST_FAIL(open("/proc/self/mem", O_RDWR), EACCES);
    MUST_FAIL(unlink(outside), EACCES);
    snprintf(path, sizeof path, "%s/active", readable);
    MUST_FAIL(open(path, O_WRONLY), EACCES);
    MUST_FAIL(unlink(path), EACCES);
    int fd = open(path, O_RDONLY);
    MUST(fd >= 0);
    snprintf(path, sizeof path, "%s/new", readable);
    MUST_FAIL(open(path, O_WRONLY | O_CREAT, 0600), EACCES);
    snprintf(path, sizeof path, "%s/folder", writable);
    MUST_FAIL(mkdir(path, 0700), EACCES);
    return 0;
}

static void landlock__leaves_only_the_files_of_the_plan(void **state)
{
    (void)state;
    need(HARDEN_FILES);
    assert_holds(foreign_files);
}

static int no_gain_from_root(void)
{
    MUST_FAIL(chroot("/"), EPERM);
    return 0;
}

/* With the filter it would be the process's end. */
static void capabilities__are_gone_without_a_filter_too(void **state)
{
    (void)state;
    int line;
    assert_int_equal(run_hardened(nothing, &line), 0);
    if (report->part[HARDEN_SYSTEM_CALLS] == HARDEN_IN_FORCE)
        skip();
    assert_holds(no_gain_from_root);
}

static int thread_line;

static int thread_is_held(void)
{
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    MUST(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
    MUST_FAIL(fork(), EPERM);
    MUST_FAIL(kill(getppid(), 0), EPERM);
    if (report->part[HARDEN_FILES] == HARDEN_IN_FORCE)
        MUST_FAIL(open(outside, O_RDONLY), EACCES);
    return 0;
}

static void *look_around(void *unused)
{
    (void)unused;
    thread_line = thread_is_held();
    return NULL;
}

static void start_thread(void *user)
{
    bool *started = user;
    pthread_t thread;
    *started = pthread_create(&thread, NULL, look_around, NULL) == 0;
    pthread_join(thread, NULL);
}

static void *nothing_else(void *unused)
{
    return unused;
}

/* A thread has of its own: capabilities, Landlock. */
static void threads__begin_with_all_of_it_and_no_more_come(void **state)
{
    (void)state;
    int status;
    need(HARDEN_SYSTEM_CALLS);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        bool started = false;
        alarm(20);
        harden_process(&(struct harden_plan){.readable = {readable},
                                             .start_threads = start_thread,
                                             .user = &started},
                       report);
        int more = pthread_create(&thread, NULL, nothing_else, NULL);
        if (!started || thread_line)
            _exit(started ? thread_line % 255 + 1 : 1);
        _exit(more != 0 || geteuid() == 0 ? 0 : 2); /* root is exempt from the limit */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(report->part[HARDEN_LIMITS], HARDEN_IN_FORCE);
    assert_int_equal(status, 0);
}

static void descriptors__of_the_shell_are_closed(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        int low = dup2(0, 3), high = dup2(0, 200);
        bool closed = low == 3 && high == 200;
        harden_close_inherited();
        closed = closed && fcntl(3, F_GETFD) == -1 && fcntl(200, F_GETFD) == -1;
        _exit(closed && fcntl(2, F_GETFD) != -1 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void reason__names_what_stands_against_it(void **state)
{
    (void)state;
    char out[HARDEN_REASON_SIZE];
    assert_string_equal(harden_reason(HARDEN_IN_FORCE, out), "");
    assert_string_equal(harden_reason(HARDEN_UNKNOWN, out), "it has not run yet");
    assert_non_null(strstr(harden_reason(-ENOSYS, out), "kernel does not have it"));
    assert_true(harden_was_refused(-EPERM) && !harden_was_refused(HARDEN_IN_FORCE));
    assert_false(harden_was_refused(HARDEN_UNKNOWN));
    assert_non_null(strstr(harden_reason(-EPERM, out), "Operation not permitted"));
    for (int part = 0; part < HARDEN_PARTS; part++)
        assert_true(harden_name(part)[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report__agrees_with_the_kernel),
        cmocka_unit_test(limits__are_those_of_the_plan),
        cmocka_unit_test(threads__start_where_they_are_wanted),
        cmocka_unit_test(network__is_not_there_unless_it_is_wanted),
        cmocka_unit_test(work__goes_on),
        cmocka_unit_test(seccomp__refuses_what_can_be_done_without),
        cmocka_unit_test(seccomp__ends_an_intruder),
        cmocka_unit_test(landlock__leaves_only_the_files_of_the_plan),
        cmocka_unit_test(capabilities__are_gone_without_a_filter_too),
        cmocka_unit_test(threads__begin_with_all_of_it_and_no_more_come),
        cmocka_unit_test(descriptors__of_the_shell_are_closed),
        cmocka_unit_test(reason__names_what_stands_against_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
