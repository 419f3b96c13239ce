#include "lua/budget.h"

#include "base/clock.h"
#include "base/fiber.h"
#include "lua/state.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
    TICK_MS = 1,
    CALM_MS = 4,           /* between ticks while no call is long: a signal may cost 20 us */
    CALM_TICKS = 64,       /* without a long call, until it is calm */
    LONG_NS = 100 * 1000,  /* a slice that is older when it is calm may become too long */
    SLICE_NS = 500 * 1000, /* the tick that finds it older ends it: 0.5 to 1.5 ms */
    IDLE_TICKS = 4,        /* without any Lua, and the timer rests */
    REARM_TICKS = 16,
};

volatile sig_atomic_t budget_attention;

static const char ended_marker = 0;

/* What the signal handler shares with the code that it interrupts. */
static struct {
    lua_State *volatile running;
    struct budget *volatile budget;
    volatile uint32_t slice; /* counts the beginnings */
    volatile uint32_t seen;  /* the one that the last tick saw */
    volatile int64_t seen_cpu;
    volatile bool overdue;
    lua_State *volatile hooked; /* armed since the slice began */
    volatile bool armed;
    volatile uint32_t idle, ticks, short_ticks;
    volatile uint32_t period; /* ms */
    volatile uint64_t *volatile count_into;
    int64_t *rest;     /* of what is charged to it: less than a millisecond */
    int64_t began;     /* the slice: monotonic ns */
    int64_t slice_cpu; /* thread CPU time when the slice began; 0: as the tick saw it */
    bool created;
    timer_t timer;
} now;

static void hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    budget_attend(L);
}

static void arm_hook(lua_State *L)
{
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
}

/* 0: it rests. */
static void set_timer(uint32_t ms)
{
    struct itimerspec spec = {{0, ms * NS_PER_MS}, {0, ms * NS_PER_MS}};
    now.armed = ms != 0;
    now.period = ms;
    timer_settime(now.timer, 0, &spec, NULL);
}

/* Looks more often as soon as a call is long, and less often when none was for a while. */
static void set_pace(int64_t age)
{
    now.short_ticks = age >= LONG_NS ? 0 : now.short_ticks + 1;
    if (now.short_ticks == 0 && now.period != TICK_MS)
        set_timer(TICK_MS);
    else if (now.short_ticks == CALM_TICKS)
        set_timer(CALM_MS);
}

static void rest_when_idle(void)
{
    now.idle = now.seen == now.slice ? now.idle + 1 : 0;
    now.seen = now.slice;
    if (now.idle >= IDLE_TICKS)
        set_timer(0);
}

static void on_tick(int number)
{
    int saved = errno;
    (void)number;
    if (!now.budget) {
        rest_when_idle();
        errno = saved;
        return;
    }
    int64_t age = clock_monotonic() - now.began;
    now.idle = 0;
    now.ticks += now.period;
    if (now.count_into)
        *now.count_into += now.period;
    set_pace(age);
    if (now.seen != now.slice) {
        now.seen = now.slice;
        now.seen_cpu = clock_thread_cpu();
    }
    if (now.overdue || age >= SLICE_NS) {
        now.overdue = true;
        budget_attention = 1;
        /* Arming walks the whole call stack: not again while the hook is on its way. */
        if (now.running && (now.hooked != now.running || now.ticks % REARM_TICKS == 0))
            arm_hook(now.running);
        now.hooked = now.running;
    }
    errno = saved;
}

static void create_timer(void)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    sigemptyset(&action.sa_mask);
    sigaction(SIGRTMIN + 1, &action, NULL);
    now.created = timer_create(CLOCK_MONOTONIC, &event, &now.timer) == 0;
}

/* The order matters: a tick between the two sees that a slice has begun, and does not rest. */
static void begin_slice(int64_t cpu)
{
    now.slice_cpu = cpu;
    now.began = clock_monotonic();
    now.overdue = false;
    now.hooked = NULL;
    now.slice = now.slice + 1;
    if (now.armed)
        return;
    if (!now.created)
        create_timer();
    now.idle = 0;
    set_timer(CALM_MS);
}

void budget_enter(struct budget *b, lua_State *L)
{
    b->outer = now.budget;
    b->outer_state = now.running;
    b->ended = BUDGET_RUNS;
    now.budget = b;
    now.running = L;
    budget_attention = 0;
    begin_slice(0);
}

void budget_leave(struct budget *b)
{
    now.running = b->outer_state;
    now.budget = b->outer;
    budget_attention = b->outer && b->outer->ended;
}

lua_State *budget_switch(lua_State *L)
{
    lua_State *before = now.running;
    now.running = L;
    if (budget_attention && L)
        arm_hook(L);
    return before;
}

/* What runs is known to each VM: a call that is suspended is not it. */
static void set_current(struct budget *b, bool runs)
{
    for (; b; b = b->outer)
        if (b->call)
            vm_set_current(b->vm, runs ? b->call : NULL);
}

void budget_suspend(void)
{
    lua_State *running = now.running;
    struct budget *b = now.budget;
    set_current(b, false);
    now.running = NULL;
    now.budget = NULL;
    fiber_suspend();
    now.running = running;
    now.budget = b;
    budget_attention = 0;
    if (!b)
        return;
    set_current(b, true);
    if (!b->ended && b->deadline && clock_monotonic() > b->deadline)
        b->ended = BUDGET_DEADLINE;
    budget_attention = b->ended != BUDGET_RUNS;
    begin_slice(clock_thread_cpu());
}

/* Of a slice that no tick has seen, the beginning is not known: it is shorter than a tick. */
void budget_sleep(void)
{
    struct budget *b = now.budget;
    int64_t begun = now.slice_cpu ? now.slice_cpu : now.seen == now.slice ? now.seen_cpu : 0;
    if (b && b->cpu_left != INT64_MAX && begun)
        b->cpu_left -= clock_thread_cpu() - begun;
    budget_suspend();
    if (!b || b->ended || b->cpu_left > 0)
        return;
    b->ended = BUDGET_CPU;
    budget_attention = 1;
}

void budget_stop(enum budget_end why)
{
    if (!now.budget)
        return;
    if (!now.budget->ended)
        now.budget->ended = why;
    budget_attention = 1;
    if (now.running)
        arm_hook(now.running);
}

/* A slice has run out: it is paid for, and the others have their turn. */
static void end_slice(struct budget *b)
{
    int64_t cpu = clock_thread_cpu();
    int64_t used = cpu - (now.slice_cpu ? now.slice_cpu : now.seen_cpu);
    if (b->cpu_left != INT64_MAX)
        b->cpu_left -= used;
    if (b->cpu_left <= 0)
        b->ended = BUDGET_CPU;
    else if (b->deadline && clock_monotonic() > b->deadline)
        b->ended = BUDGET_DEADLINE;
    else if (fiber_current())
        budget_suspend();
    else
        begin_slice(cpu);
}

void budget_charge(int64_t ns)
{
    struct budget *b = now.budget;
    if (now.count_into) {
        *now.rest += ns;
        *now.count_into += (uint64_t)(*now.rest / NS_PER_MS);
        *now.rest %= NS_PER_MS;
    }
    if (!b || b->cpu_left == INT64_MAX)
        return;
    b->cpu_left -= ns;
    if (b->cpu_left <= 0)
        budget_stop(BUDGET_CPU);
}

int64_t budget_cpu_left(void)
{
    return now.budget ? now.budget->cpu_left : INT64_MAX;
}

bool budget_goes_on(void)
{
    struct budget *b = now.budget;
    if (!budget_attention || !b)
        return true;
    budget_attention = 0;
    if (!b->ended && now.overdue)
        end_slice(b);
    budget_attention = b->ended != BUDGET_RUNS;
    return !b->ended;
}

static _Noreturn void raise_end(lua_State *L)
{
    budget_attention = 1;
    arm_hook(L);
    lua_checkstack(L, 1);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&ended_marker);
    lua_error(L);
    __builtin_unreachable();
}

void budget_attend(lua_State *L)
{
    struct budget *b = now.budget;
    budget_attention = 0;
    if (!b)
        return;
    if (b->ended)
        vm_watch(vm_of(L)); /* whoever runs next must be warned again */
    else
        vm_tend(L);
    if (!b->ended && now.overdue)
        end_slice(b);
    if (b->ended)
        raise_end(L);
}

void budget_refuse(void)
{
    if (!now.budget || !now.running)
        return;
    budget_stop(BUDGET_MEMORY);
    raise_end(now.running);
}

void budget_rethrow(lua_State *L, int status)
{
    if (status == LUA_ERRMEM)
        budget_stop(BUDGET_MEMORY);
    if (now.budget && now.budget->ended)
        raise_end(L);
}

lua_State *budget_running(void)
{
    return now.running;
}

uint32_t budget_ticks(void)
{
    return now.ticks;
}

void budget_count_into(volatile uint64_t *ticks, int64_t *rest)
{
    now.count_into = ticks;
    now.rest = rest;
}
