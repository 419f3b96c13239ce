/*
 * Budget: how long Lua code may run, in one go and in all.
 *
 * While any runs, a timer's signal comes: every millisecond as long as there are long calls, every
 * four otherwise. One that finds a slice of half a millisecond or more sets budget_attention and
 * arms a count hook on the running lua_State; so nothing is paid until a slice has run out. Whoever
 * sees that, the hook or a C function at budget_point, calls budget_attend: it suspends the fiber
 * (base/fiber.h), so that others run, and ends a call that has used up its CPU time, its deadline or
 * its memory. The error that ends a call cannot be caught: whatever catches errors calls
 * budget_rethrow.
 *
 * One thread per process runs Lua. Inside core/lua only, except what call.h passes on.
 */
#ifndef PINION_LUA_BUDGET_H
#define PINION_LUA_BUDGET_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct call;
struct vm;

enum budget_end {
    BUDGET_RUNS,
    BUDGET_CPU,       /* its CPU time is used up */
    BUDGET_DEADLINE,  /* its time is used up */
    BUDGET_MEMORY,    /* the VM's memory account is used up */
    BUDGET_CANCELLED, /* nobody waits for it any more */
};

/* Of one call, or of one load. */
struct budget {
    int64_t cpu_left; /* ns; INT64_MAX: no limit */
    int64_t deadline; /* monotonic ns; 0: none */
    enum budget_end ended;
    struct call *call; /* that runs on `vm`, or both NULL */
    struct vm *vm;
    struct budget *outer; /* that goes on when this one is left */
    lua_State *outer_state;
};

extern volatile sig_atomic_t budget_attention;

/* What runs from now on runs on L (NULL: no Lua) and for this budget, until budget_leave. */
void budget_enter(struct budget *b, lua_State *L);
void budget_leave(struct budget *b);

/* Another coroutine runs (NULL: none). Returns the one before, to be put back. */
lua_State *budget_switch(lua_State *L);

/* May suspend the fiber; raises when the call has ended. */
void budget_attend(lua_State *L);

static inline void budget_point(lua_State *L)
{
    if (__builtin_expect(budget_attention != 0, 0))
        budget_attend(L);
}

/* The same where nothing may raise: false when the call has ended. */
bool budget_goes_on(void);

/* CPU time that was spent elsewhere for what runs. */
void budget_charge(int64_t ns);
/* What is left of it, without the slice that runs; INT64_MAX: no limit. */
int64_t budget_cpu_left(void);

/* Suspends the running fiber until the scheduler resumes it; must run on one. */
void budget_suspend(void);

/* The same for one that waits for something: its slice ends here, and is paid for. */
void budget_sleep(void);

/*
 * Ends what runs: at once where C code asks next, else with the next instruction. BUDGET_RUNS only
 * asks for budget_attend.
 */
void budget_stop(enum budget_end why);

/* Ends what runs for want of memory, from inside an allocation. Returns when nothing runs. */
void budget_refuse(void);

/* After something was caught with `status`: raises again when the call has ended by it. */
void budget_rethrow(lua_State *L, int status);

/* The coroutine that runs now, or NULL. */
lua_State *budget_running(void);

/* Lua time of this process in milliseconds, as sampled by the timer. */
uint32_t budget_ticks(void);
/*
 * Where the timer counts as well, while somebody runs, and what is charged; `rest` keeps the ns of
 * that which are no whole millisecond yet. NULL: nowhere.
 */
void budget_count_into(volatile uint64_t *ticks, int64_t *rest);

#endif
