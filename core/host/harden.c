#include "host/harden.h"

#include "binding/hasher.h"
#include "binding/native.h"
#include "binding/reads.h"
#include "json/writer.h"
#include "net/threads.h"
#include "release/verifier.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

enum {
    OWN_DESCRIPTORS =
        2048, /* besides connections: bundles, databases, their readers, requests to others */
    DISK_THREADS = 2, /* so many commits wait for the disk at once, whatever else is done */
    WORKER_THREADS = DISK_THREADS + READS_RUNNING + NATIVE_WORK_RUNNING_MAX + HASHER_RUNNING,
    SERVER_THREADS = 3, /* that wait for databases' servers, beside the disk's */
};

static_assert((int)WORKER_THREADS <= (int)THREADS_MAX, "all of them are started");

/* The supervisor keeps them all: those of a worker that died wait there for the next. */
static void close_others(const struct host *h, int index)
{
    close(h->admin_fd);
    for (int i = 0; i < h->config->workers; i++)
        if (i != index)
            close(h->bus_fd[i]);
}

/* What the machine keeps from us is news; that nobody set a user is the operator's own doing. */
static void tell(const struct harden_report *report)
{
    char why[HARDEN_REASON_SIZE];
    for (int part = 0; part < HARDEN_PARTS; part++)
        if (report->part[part] != HARDEN_IN_FORCE)
            LOG(harden_was_refused(report->part[part]) ? LOG_WARN : LOG_DEBUG,
                "a protection is not in force", LOG_STRING("protection", harden_name(part)),
                LOG_STRING("why", harden_reason(report->part[part], why)));
}

/* Where none can be started, the loop waits for the disk itself. */
static void start_threads(void *user)
{
    struct pn_error err;
    struct threads **threads = user;
    if (threads_start(threads[0], WORKER_THREADS, &err) != 0 ||
        (threads[1] && threads_start(threads[1], SERVER_THREADS, &err) != 0))
        LOG(LOG_WARN, "cannot start all threads", LOG_STRING("error", err.message));
}

void harden_worker(const struct host *h, int index, struct threads *threads,
                   struct threads *server_threads)
{
    struct threads *both[] = {threads, server_threads};
    struct slot *slot = &h->slab->worker[index];
    struct host_settings settings;
    struct harden_report report;
    slab_read_settings(h->slab, &settings);
    const struct native_configs *natives = &h->config->natives;
    bool network = h->config->outgoing || native_configs_need_network(natives) ||
                   databases_any(&h->config->databases);
    close_others(h, index);
    harden_process(&(struct harden_plan){.readable = {h->paths.data, h->paths.secrets},
                                         .writable = {h->paths.databases, h->paths.temporary},
                                         .temporary = h->paths.temporary,
                                         .descriptors = settings.http.connections + OWN_DESCRIPTORS,
                                         .sole_descriptors = true,
                                         .start_threads = start_threads,
                                         .user = both,
                                         .network = network,
                                         .threads = h->config->outgoing || natives->count},
                   &report);
    if (index == 0) /* the others are told the same */
        tell(&report);
    for (int part = 0; part < HARDEN_PARTS; part++)
        SLAB_SET(slot->protection[part], report.part[part]);
}

static void write_part(struct buffer *out, int part, int value)
{
    char why[HARDEN_REASON_SIZE];
    bool first = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("protection"), text_of(harden_name(part)));
    json_write_bool_member(out, &first, TEXT("in_force"), value == HARDEN_IN_FORCE);
    if (value != HARDEN_IN_FORCE)
        json_write_string_member(out, &first, TEXT("why"), text_of(harden_reason(value, why)));
    buffer_append_char(out, '}');
}

static void write_process(struct buffer *out, const char *name, int pid,
                          const struct harden_report *report)
{
    bool first = true;
    buffer_append_char(out, '{');
    json_write_string_member(out, &first, TEXT("process"), text_of(name));
    if (pid)
        json_write_integer_member(out, &first, TEXT("pid"), pid);
    json_write_member(out, &first, TEXT("protections"));
    buffer_append_char(out, '[');
    for (int part = 0; part < HARDEN_PARTS; part++) {
        if (part)
            buffer_append_char(out, ',');
        write_part(out, part, report->part[part]);
    }
    buffer_append_string(out, "]}");
}

void harden_write(const struct host *h, struct buffer *out)
{
    buffer_append_char(out, '[');
    for (int i = 0; i < h->config->workers; i++) {
        struct slot *slot = &h->slab->worker[i];
        struct harden_report report;
        char name[24];
        snprintf(name, sizeof name, "worker-%d", i);
        for (int part = 0; part < HARDEN_PARTS; part++)
            report.part[part] = SLAB_GET(slot->protection[part]);
        write_process(out, name, SLAB_GET(slot->pid), &report);
        buffer_append_char(out, ',');
    }
    write_process(out, "verify", 0, verifier_protection());
    buffer_append_char(out, ']');
}
