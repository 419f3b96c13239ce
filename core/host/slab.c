#include "host/slab.h"

#include <sched.h>
#include <sys/mman.h>

struct slab *slab_new(struct pn_error *err)
{
    void *memory =
        mmap(NULL, sizeof(struct slab), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        return memory;
    pn_error_errno(err, PN_ENOMEM, "cannot map shared memory");
    return NULL;
}

/* A sequence lock with one writer: odd while it writes. */
void slab_publish_settings(struct slab *s, const struct host_settings *settings)
{
    unsigned version = atomic_load(&s->settings_version);
    atomic_store(&s->settings_version, version + 1);
    atomic_thread_fence(memory_order_seq_cst);
    s->settings = *settings;
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store(&s->settings_version, version + 2);
}

void slab_read_settings(struct slab *s, struct host_settings *out)
{
    unsigned before, after;
    do {
        before = atomic_load(&s->settings_version);
        atomic_thread_fence(memory_order_seq_cst);
        *out = s->settings;
        atomic_thread_fence(memory_order_seq_cst);
        after = atomic_load(&s->settings_version);
        if (before & 1)
            sched_yield();
    } while (before != after || before & 1);
}

const char *slot_state_name(int state)
{
    static const char *const names[] = {"down", "starting", "serving", "draining", "drained"};
    return names[state];
}
