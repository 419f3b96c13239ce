/*
 * seccomp: which system calls the process can still make.
 *
 * Three answers to what is not on the list. What only an intruder asks for (another program,
 * another process's memory, kernel code) ends the process: no plugin's call goes on after that, and
 * its death is reported and blamed like any crash. What a library may try and can do without (a
 * new process, a listening socket, executable memory) fails with EPERM. All else, which includes
 * calls that are newer than this list, fails with ENOSYS, on which libraries fall back to older
 * ones.
 */
#include "base/harden_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#error "the filter is written for x86-64 and aarch64: a new machine needs its name here"
#endif

enum { PROGRAM_MAX = 512, X32_BIT = 0x40000000, ANY_SOCKET_TYPE = 0xF };

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* allocators of newer libraries name their memory */
#endif

static const int allowed[] = {
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_lseek,
    SYS_close,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    /* sockets and the loop */
    SYS_epoll_pwait,
    SYS_epoll_ctl,
    SYS_epoll_create1,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_ppoll,
    SYS_pselect6,
    SYS_accept4,
    SYS_accept,
    SYS_connect,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_socketpair,
    /* files */
    SYS_openat,
    SYS_newfstatat,
    SYS_fstat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_renameat,
    SYS_renameat2,
    SYS_unlinkat,
    SYS_mkdirat,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_flock,
    SYS_fchmod,
    SYS_fchown,
    SYS_utimensat,
    SYS_umask,
    SYS_fstatfs,
    SYS_statfs,
    /* memory */
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_msync,
    SYS_mincore,
    /* time, signals and itself */
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_timer_create,
    SYS_timer_settime,
    SYS_timer_gettime,
    SYS_timer_getoverrun,
    SYS_timer_delete,
    SYS_setitimer,
    SYS_getitimer,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_rseq,
    SYS_futex,
    SYS_set_robust_list,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getcpu,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_getrusage,
    SYS_times,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrandom,
    SYS_capget,
    SYS_exit,
    SYS_exit_group,
#if defined(__x86_64__)
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_rename,
    SYS_unlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_readlink,
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_time,
    SYS_pause,
    SYS_alarm,
    SYS_getrlimit,
#endif
};

/* No honest code path of a worker, nor a library's, gets here. */
static const int deadly[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_capset,
    SYS_open_by_handle_at,
    SYS_mknodat,
    SYS_personality,
};

static const int refused[] = {
    SYS_bind,
    SYS_listen,
#if defined(__x86_64__)
    SYS_fork,
    SYS_vfork,
#endif
};

/* The number of the call stays in the accumulator, except inside a rule, which ends in an answer. */
struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
};

static void emit(struct program *p, unsigned code, uint32_t k, unsigned matched, unsigned missed)
{
    if (p->len < PROGRAM_MAX)
        p->code[p->len++] =
            (struct sock_filter){(uint16_t)code, (uint8_t)matched, (uint8_t)missed, k};
}

static void load(struct program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void give(struct program *p, uint32_t answer)
{
    emit(p, BPF_RET | BPF_K, answer, 0, 0);
}

static void fail(struct program *p, int error)
{
    give(p, SECCOMP_RET_ERRNO | (uint32_t)error);
}

static void give_if(struct program *p, uint32_t value, uint32_t answer)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    give(p, answer);
}

static void give_for_all(struct program *p, const int *numbers, size_t count, uint32_t answer)
{
    for (size_t i = 0; i < count; i++)
        give_if(p, (uint32_t)numbers[i], answer);
}

/* A rule: begin, conditions on one argument after another, an answer, end. */
static unsigned short begin(struct program *p, int number)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 0);
    return p->len;
}

static void end(struct program *p, unsigned short rule)
{
    p->code[rule - 1].jf = (uint8_t)(p->len - rule);
}

/* The lower half is all that the kernel reads of those looked at: they are ints there. */
static void load_argument(struct program *p, int index)
{
    load(p, offsetof(struct seccomp_data, args) + (size_t)index * sizeof(uint64_t));
}

static void refuse_bits(struct program *p, uint32_t bits)
{
    emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    fail(p, EPERM);
}

/* One argument must be one of these. */
static void one_of(struct program *p, int number, int argument, const uint32_t *values,
                   size_t count)
{
    unsigned short rule = begin(p, number);
    load_argument(p, argument);
    for (size_t i = 0; i < count; i++)
        give_if(p, values[i], SECCOMP_RET_ALLOW);
    fail(p, EPERM);
    end(p, rule);
}

#define ONE_OF(p, number, argument, ...)                                                           \
    one_of(p, number, argument, (const uint32_t[]){__VA_ARGS__},                                   \
           sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void memory_without_code(struct program *p)
{
    static const int calls[] = {SYS_mmap, SYS_mprotect};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        unsigned short rule = begin(p, calls[i]);
        load_argument(p, 2);
        refuse_bits(p, PROT_EXEC);
        give(p, SECCOMP_RET_ALLOW);
        end(p, rule);
    }
}

/* Streams and datagrams over Unix sockets and, where there is a network, IP. */
static void ordinary_sockets(struct program *p, bool network)
{
    unsigned short rule = begin(p, SYS_socket);
    load_argument(p, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, network ? 3 : 1, 0);
    if (network) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0);
    }
    fail(p, EPERM);
    load_argument(p, 1);
    emit(p, BPF_ALU | BPF_AND | BPF_K, ANY_SOCKET_TYPE, 0, 0);
    give_if(p, SOCK_STREAM, SECCOMP_RET_ALLOW);
    give_if(p, SOCK_DGRAM, SECCOMP_RET_ALLOW);
    fail(p, EPERM);
    end(p, rule);
}

/* A thread's first argument says so; glibc asks clone3 first, whose arguments no filter can see. */
static void threads_only(struct program *p)
{
    unsigned short rule = begin(p, SYS_clone);
    load_argument(p, 0);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0);
    fail(p, EPERM);
    give(p, SECCOMP_RET_ALLOW);
    end(p, rule);
}

/* The rest of fcntl can have signals sent to other processes; of ioctl, type on a terminal. */
static void arguments(struct program *p, bool network)
{
    uint32_t self = (uint32_t)getpid();
    memory_without_code(p);
    ONE_OF(p, SYS_fcntl, 1, F_SETLK, F_GETLK, F_SETLKW, F_OFD_SETLK, F_OFD_GETLK, F_OFD_SETLKW,
           F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC);
    ONE_OF(p, SYS_ioctl, 1, FIONREAD, FIONBIO, FIOCLEX, TCGETS);
    ONE_OF(p, SYS_prctl, 0, PR_SET_NAME, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP,
           PR_GET_DUMPABLE, PR_SET_VMA);
    ONE_OF(p, SYS_kill, 0, self);
    ONE_OF(p, SYS_tgkill, 0, self);
    ONE_OF(p, SYS_prlimit64, 0, 0, self);
    ordinary_sockets(p, network);
    threads_only(p);
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void build(struct program *p, bool network)
{
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    give(p, SECCOMP_RET_KILL_PROCESS);
    load(p, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
    /* The x32 calls have the same architecture and other numbers. */
    emit(p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    give(p, SECCOMP_RET_KILL_PROCESS);
#endif
    arguments(p, network);
    give_for_all(p, allowed, COUNT(allowed), SECCOMP_RET_ALLOW);
    give_for_all(p, deadly, COUNT(deadly), SECCOMP_RET_KILL_PROCESS);
    give_for_all(p, refused, COUNT(refused), SECCOMP_RET_ERRNO | EPERM);
    fail(p, ENOSYS);
}

/*
 * All threads get it. Kernels before 5.16 would switch on slow defences against speculation for
 * whoever is filtered, unless told not to; kernels before 4.17 do not know that flag.
 */
int harden_system_calls(bool network)
{
    static const unsigned long flags[] = {
        SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        SECCOMP_FILTER_FLAG_TSYNC,
    };
    struct program program = {.len = 0};
    build(&program, network);
    if (program.len >= PROGRAM_MAX)
        return -E2BIG;
    const struct sock_fprog fprog = {program.len, program.code};
    long rc = -1;
    for (size_t i = 0; rc != 0 && i < COUNT(flags); i++)
        rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &fprog);
    if (rc != 0)
        return rc < 0 ? -errno : -EBUSY; /* above 0: the thread that cannot have it */
    return HARDEN_IN_FORCE;
}
