#include "base/fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef PINION_POISON
#include <sanitizer/common_interface_defs.h>
#endif

enum { POOL_MAX = 64, REGISTERS = 24 };

struct fiber {
    void *stack_pointer; /* of the side that does not run */
    void (*fn)(void *user);
    void *user;
    bool ended;
    struct fiber *next; /* in the pool */
    char *map;
    size_t map_size;
#ifdef PINION_POISON
    void *fake_stack, *caller_fake_stack;
    const void *caller_stack;
    size_t caller_size;
#endif
};

static struct fiber *current, *pool;
static int pooled;

/* Saves the callee's registers on the running stack, its pointer in *from, and goes on at `to`. */
void fiber_switch(void **from, void *to);

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl fiber_switch\n"
        ".type fiber_switch, @function\n"
        "fiber_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size fiber_switch, .-fiber_switch\n");
enum { SAVED = 6 };
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl fiber_switch\n"
        ".type fiber_switch, %function\n"
        "fiber_switch:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp, #0]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
        "  ldp x19, x20, [sp, #0]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n"
        "  ldp x25, x26, [sp, #48]\n  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n"
        "  ret\n"
        ".size fiber_switch, .-fiber_switch\n");
#else
#error "fiber_switch is written for x86-64 and aarch64: a new machine needs its own few lines here"
#endif

#ifdef PINION_POISON
/* The sanitizer must know which stack is the running one. */
static void before_entry(struct fiber *f)
{
    __sanitizer_start_switch_fiber(&f->caller_fake_stack, f->map, f->map_size);
}

static void after_entry(struct fiber *f)
{
    __sanitizer_finish_switch_fiber(f->fake_stack, &f->caller_stack, &f->caller_size);
}

static void before_exit(struct fiber *f)
{
    __sanitizer_start_switch_fiber(&f->fake_stack, f->caller_stack, f->caller_size);
}

static void after_exit(struct fiber *f)
{
    __sanitizer_finish_switch_fiber(f->caller_fake_stack, NULL, NULL);
}
#else
#define before_entry(f) ((void)(f))
#define after_entry(f) ((void)(f))
#define before_exit(f) ((void)(f))
#define after_exit(f) ((void)(f))
#endif

static void switch_out(struct fiber *f)
{
    before_exit(f);
    fiber_switch(&f->stack_pointer, f->stack_pointer);
    after_entry(f);
}

/* Every fiber's first and last frame: one function after another, so that a stack is made once. */
static _Noreturn void fiber_main(void)
{
    struct fiber *f = current;
    after_entry(f);
    for (;;) {
        f->fn(f->user);
        f->ended = true;
        switch_out(f);
    }
}

static void prepare_stack(struct fiber *f)
{
    uintptr_t top = (uintptr_t)(f->map + f->map_size) & ~(uintptr_t)63;
#if defined(__x86_64__)
    void **sp = (void **)top;
    *--sp = NULL; /* where a return address would be: the ABI's alignment, and the end of traces */
    *--sp = (void *)(uintptr_t)fiber_main;
    for (int i = 0; i < SAVED; i++)
        *--sp = NULL;
#else
    void **sp = (void **)(top - 160);
    for (int i = 0; i < 20; i++)
        sp[i] = NULL;
    sp[11] = (void *)(uintptr_t)fiber_main; /* x30 */
#endif
    f->stack_pointer = sp;
}

static struct fiber *fiber_new(void)
{
    struct fiber *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    f->map_size = FIBER_STACK_SIZE + page;
    f->map = mmap(NULL, f->map_size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (f->map == MAP_FAILED || mprotect(f->map, page, PROT_NONE) != 0) {
        if (f->map != MAP_FAILED)
            munmap(f->map, f->map_size);
        free(f);
        return NULL;
    }
    prepare_stack(f);
    return f;
}

static void fiber_free(struct fiber *f)
{
    munmap(f->map, f->map_size);
    free(f);
}

struct fiber *fiber_take(void)
{
    struct fiber *f = pool;
    if (!f)
        return fiber_new();
    pool = f->next;
    pooled--;
    return f;
}

void fiber_give(struct fiber *f)
{
    if (pooled == POOL_MAX) {
        fiber_free(f);
        return;
    }
    f->next = pool;
    pool = f;
    pooled++;
}

void fiber_pool_release(void)
{
    while (pool) {
        struct fiber *next = pool->next;
        fiber_free(pool);
        pool = next;
    }
    pooled = 0;
}

static bool enter(struct fiber *f)
{
    struct fiber *outer = current;
    current = f;
    before_entry(f);
    fiber_switch(&f->stack_pointer, f->stack_pointer);
    after_exit(f);
    current = outer;
    return f->ended;
}

bool fiber_run(struct fiber *f, void (*fn)(void *user), void *user)
{
    f->fn = fn;
    f->user = user;
    f->ended = false;
    return enter(f);
}

bool fiber_resume(struct fiber *f)
{
    return enter(f);
}

void fiber_suspend(void)
{
    switch_out(current);
}

struct fiber *fiber_current(void)
{
    return current;
}
