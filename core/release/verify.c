#include "release/verify.h"

#include "base/clock.h"
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    VERIFY_WALL_MS = 10000,
    VERIFY_CPU_SECONDS = 5,
    /* Before the limits of the process, which could not say which migration it was. */
    MIGRATE_MS_MAX = VERIFY_WALL_MS - 1000,
    MIGRATE_CPU_SECONDS = VERIFY_CPU_SECONDS - 1,
    REAP_MS = 50,
    RESULT_FD = STDERR_FILENO + 1,
    LOAD_CPU_MS_MAX = 500, /* every worker stands still for as long */
    DESCRIPTORS = 256,
};

/* A plugin may have 4 GiB; the account of its VM comes first, this is for what no account sees. */
static const size_t address_space = (size_t)5 << 30;

static struct harden_report last_protection;

static void hash_migrations(const struct migration *list, size_t count, char hash[BUNDLE_HASH_SIZE])
{
    struct buffer all = BUFFER_INIT;
    hash[0] = 0;
    for (size_t i = 0; i < count; i++)
        buffer_printf(&all, "%.*s %zu\n%.*s", TEXT_ARGS(list[i].name), list[i].sql.len,
                      TEXT_ARGS(list[i].sql));
    if (count)
        bundle_hash(buffer_text(&all), hash);
    buffer_release(&all);
}

/* Where a process with this id works. */
static int scratch_path(char out[FILE_PATH_MAX], const char *directory, pid_t process,
                        struct pn_error *err)
{
    char name[40];
    snprintf(name, sizeof name, "verify-%ld.db", (long)process);
    return file_join(out, FILE_PATH_MAX, directory, text_of(name), err);
}

/* The database and what SQLite puts beside it: a process that was killed leaves all of them. */
static void remove_scratch(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char name[FILE_PATH_MAX + 16];
    for (size_t i = 0; *path && i < sizeof endings / sizeof *endings; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

static int64_t migrating_until; /* CPU time of this thread */

static bool has_time(void)
{
    return clock_thread_cpu() < migrating_until;
}

struct break_context {
    const struct migration_listener *listener;
    size_t first;
};

static void on_break(void *user, const struct schema_break *what)
{
    const struct break_context *c = user;
    c->listener->tell(c->listener->user, what, c->first);
}

static int apply_and_compare(struct store *store, const struct migration_trial *trial,
                             const struct migration *list, size_t count, struct pn_error *err)
{
    struct schema *before = NULL, *after = NULL;
    struct migration_state state = {.pending = 0};
    int rc = migrations_apply(store, list, trial->since < count ? trial->since : count, NULL, err);
    if (rc == 0)
        rc = migrations_state(store, list, count, &state, err);
    if (rc == 0)
        rc = schema_read(&before, store, err);
    if (rc == 0)
        rc = migrations_apply(store, list, count, NULL, err);
    if (rc == 0)
        rc = schema_read(&after, store, err);
    struct break_context context = {trial->breaks, count - (size_t)state.pending};
    if (rc == 0 && state.pending)
        schema_compare(before, after, on_break, &context);
    schema_free(before);
    schema_free(after);
    return rc;
}

/* Applies them to a copy of the database, or to a new one where there is none yet. */
static int try_migrations(const struct migration_trial *trial, const char *plugin,
                          const struct migration *list, size_t count, struct pn_error *err)
{
    char from[FILE_PATH_MAX] = "", copy[FILE_PATH_MAX] = "", name[PLUGIN_NAME_SIZE + 32];
    struct store *store = NULL;
    int rc = 0;
    snprintf(name, sizeof name, "%s.db", plugin);
    if (trial->databases_directory)
        rc = file_join(from, sizeof from, trial->databases_directory, text_of(name), err);
    if (rc == 0)
        rc = scratch_path(copy, trial->temporary_directory, getpid(), err);
    if (rc != 0)
        return rc;
    remove_scratch(copy);
    if (from[0] && file_exists(from))
        rc = store_copy_file(from, copy, err);
    if (rc == 0)
        rc = store_open(&store, copy, STORE_HOME, NULL, err);
    if (rc == 0) {
        migrating_until = clock_thread_cpu() + MIGRATE_CPU_SECONDS * NS_PER_SECOND;
        store_set_pace(has_time);
        store_set_deadline(store, clock_monotonic() + MIGRATE_MS_MAX * NS_PER_MS);
        rc = trial->breaks ? apply_and_compare(store, trial, list, count, err)
                           : migrations_apply(store, list, count, NULL, err);
    }
    store_close(store);
    remove_scratch(copy);
    return rc;
}

int verify_migrations(const struct migration_trial *trial, const struct generation *g,
                      char hash[BUNDLE_HASH_SIZE], struct pn_error *err)
{
    struct migration *list;
    size_t count;
    const char *plugin = g->definition.name.data;
    hash[0] = 0;
    int rc = generation_migrations(
        &g->bundle, trial->is_remote ? MIGRATION_POSTGRESQL : MIGRATION_SQLITE, &list, &count, err);
    if (rc != 0)
        return pn_error_wrap(err, "%s/migrations", plugin);
    hash_migrations(list, count, hash);
    if (count && !plugin_needs(&g->definition, TEXT("db")))
        rc = pn_error_set(err, PN_EINVAL, "%s has migrations but does not name \"db\" in its needs",
                          plugin);
    if (rc == 0 && count && !trial->is_remote &&
        (!trial->applied || strcmp(trial->applied, hash) != 0))
        rc = try_migrations(trial, plugin, list, count, err);
    if (rc != 0 && count)
        pn_error_wrap(err, "%s/migrations", plugin);
    free(list);
    return rc;
}

static int check_migrations(const struct verify_job *job, const struct generation *g,
                            struct verify_result *out, struct pn_error *err)
{
    const struct migration_trial trial = {
        .databases_directory = job->databases_directory,
        .temporary_directory = job->temporary_directory,
        .applied = job->applied_migrations(job->user, g->definition.name),
        .is_remote = databases_find(job->databases, g->definition.name.data).url != NULL,
    };
    return verify_migrations(&trial, g, out->migrations, err);
}

static int compare(const struct verify_job *job, const struct generation *g,
                   struct verify_result *out, struct pn_error *err)
{
    const struct generation_spec *old =
        job->bundles_directory ? job->serving(job->user, g->definition.name) : NULL;
    return old ? difference_find(&out->difference, job->bundles_directory, job->usage, old,
                                 &g->definition, err)
               : 0;
}

static int verify(const struct verify_job *job, struct verify_result *out, struct pn_error *err)
{
    struct generation_spec spec = {.number = 0};
    struct generation *g;
    struct bundle bundle;
    snprintf(spec.plugin, sizeof spec.plugin, "%s", job->directory_name);
    int rc = bundle_read(&bundle, job->archive, err);
    int64_t begun = clock_thread_cpu();
    if (rc == 0)
        rc = generation_load(&g, &spec, &bundle, err);
    if (rc != 0)
        return rc;
    int64_t load_ms = (clock_thread_cpu() - begun) / NS_PER_MS;
    snprintf(out->plugin, sizeof out->plugin, "%s", g->definition.name.data);
    snprintf(out->version, sizeof out->version, "%s", g->definition.version.data);
    if (load_ms > LOAD_CPU_MS_MAX)
        rc = pn_error_set(
            err, PN_ELIMIT,
            "loading '%s' took %lld ms of CPU time, it may take %d: do such work in a call",
            out->plugin, (long long)load_ms, LOAD_CPU_MS_MAX);
    else if (job->settings)
        rc = generation_equip(g, job->settings, err);
    if (rc == 0)
        rc = check_migrations(job, g, out, err);
    if (rc == 0)
        rc = compare(job, g, out, err);
    generation_unref(g);
    return rc;
}

void verify_bundle(const struct verify_job *job, struct verify_result *out)
{
    struct pn_error err = {.code = 0};
    *out = (struct verify_result){.code = 0};
    out->code = verify(job, out, &err);
    if (out->code != 0)
        snprintf(out->message, sizeof out->message, "%s", err.message);
}

/* It reads a database through SQLite, whose readers write beside it too. */
static void harden_child(const struct verify_job *job, struct harden_report *out)
{
    const struct rlimit cpu = {VERIFY_CPU_SECONDS, VERIFY_CPU_SECONDS};
    const struct harden_plan plan = {
        .readable = {job->bundles_directory},
        .writable = {job->databases_directory, job->temporary_directory},
        .temporary = job->temporary_directory,
        .descriptors = DESCRIPTORS,
        .address_space = address_space,
        .sole_descriptors = true,
    };
    setrlimit(RLIMIT_CPU, &cpu);
    harden_process(&plan, out);
}

/* Never returns. The parent's loop, sockets and databases are not touched. */
static _Noreturn void child_main(const struct verify_job *job, int out)
{
    sigset_t none;
    /*
     * Whoever waits for the end of one of the parent's connections must not wait for this process.
     */
    if (out != RESULT_FD && dup2(out, RESULT_FD) == RESULT_FD)
        out = RESULT_FD;
    close_range(RESULT_FD + 1, ~0U, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct harden_report protection;
    struct verify_result result;
    harden_child(job, &protection);
    verify_bundle(job, &result);
    result.protection = protection;
    static_assert(sizeof result <= PIPE_BUF, "it is written at once, or not at all");
    ssize_t written = write(out, &result, sizeof result);
    _exit(written == (ssize_t)sizeof result ? 0 : 1);
}

/* A process takes a while to go after its last word; whoever waits for the result need not. */
static void reap_ended(struct verifier *v, int options)
{
    int status;
    pid_t pid;
    if (!v->ended)
        return;
    while ((pid = waitpid(v->ended, &status, options)) < 0 && errno == EINTR)
        continue;
    if (pid != 0)
        v->ended = 0;
}

static void let_go(struct verifier *v)
{
    v->ended = v->child;
    v->child = 0;
    remove_scratch(v->scratch);
    loop_watch_stop(&v->watch);
    loop_timer_stop(&v->timer);
    close(v->pipe);
}

static void on_reap(void *user)
{
    reap_ended(user, WNOHANG);
}

static void finish(struct verifier *v, const char *problem)
{
    let_go(v);
    loop_timer_start(&v->timer, v->loop, REAP_MS, false, on_reap, v);
    if (problem) {
        v->result = (struct verify_result){.code = PN_ELIMIT};
        snprintf(v->result.message, sizeof v->result.message, "%s", problem);
    }
    v->done(v->user, &v->result);
}

static void on_timeout(void *user)
{
    struct verifier *v = user;
    kill(v->child, SIGKILL);
    finish(v, "loading took longer than 10 seconds and was stopped");
}

static void on_readable(void *user, unsigned ready)
{
    struct verifier *v = user;
    (void)ready;
    ssize_t n = read(v->pipe, (char *)&v->result + v->received, sizeof v->result - v->received);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        v->received += (size_t)n;
        if (v->received < sizeof v->result)
            return;
    }
    bool whole = v->received == sizeof v->result;
    if (whole)
        last_protection = v->result.protection;
    finish(v, whole ? NULL : "loading used up its CPU time or memory, or crashed, and was stopped");
}

int verify_start(struct verifier *v, struct loop *loop, const struct verify_job *job,
                 verify_callback done, void *user, struct pn_error *err)
{
    int ends[2];
    if (v->child)
        return pn_error_set(err, PN_EBUSY, "a verification is running");
    loop_timer_stop(&v->timer);
    reap_ended(v, 0);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return pn_error_errno(err, PN_EIO, "cannot make a pipe");
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        child_main(job, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return pn_error_errno(err, PN_EIO, "cannot start a process to verify in");
    }
    v->loop = loop;
    v->child = child;
    v->pipe = ends[0];
    v->received = 0;
    v->done = done;
    v->user = user;
    if (scratch_path(v->scratch, job->temporary_directory, child, NULL) != 0)
        v->scratch[0] = 0; /* then the child could not make one either */
    if (loop_watch_start(&v->watch, loop, v->pipe, LOOP_READ, on_readable, v) == 0 &&
        loop_timer_start(&v->timer, loop, VERIFY_WALL_MS, false, on_timeout, v) == 0)
        return 0;
    verify_stop(v);
    return pn_error_set(err, PN_EIO, "cannot watch the process that verifies");
}

void verify_stop(struct verifier *v)
{
    loop_timer_stop(&v->timer);
    reap_ended(v, 0);
    if (!v->child)
        return;
    kill(v->child, SIGKILL);
    let_go(v);
    reap_ended(v, 0);
}

const struct harden_report *verify_protection(void)
{
    return &last_protection;
}
