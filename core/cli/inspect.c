#include "cli/inspect.h"

#include "host/sources.h"

#include <stdio.h>
#include <stdlib.h>

static const char *last_segment(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void on_mistake(void *user, const struct pn_error *err)
{
    struct inspected *one = user;
    struct inspected_problem **last = &one->problems, *problem = calloc(1, sizeof *problem);
    if (!problem)
        return; /* the first one is told all the same */
    while (*last)
        last = &(*last)->next;
    problem->err = *err;
    *last = problem;
}

static int load(struct inspected *one, struct pn_error *err)
{
    struct generation_spec spec = {.number = 0};
    struct bundle bundle;
    buffer_init(&one->archive);
    snprintf(spec.plugin, sizeof spec.plugin, "%s", last_segment(one->directory));
    int rc = bundle_pack(one->directory, &one->archive, err);
    if (rc == 0)
        rc = bundle_read(&bundle, buffer_text(&one->archive), err);
    return rc == 0 ? generation_load_telling(&one->generation, &spec, &bundle, on_mistake, one, err)
                   : rc;
}

static int load_all(struct inspection *out, const struct sources *sources, struct pn_error *err)
{
    size_t loaded = 0;
    out->list = calloc(sources->count + 1, sizeof *out->list);
    out->plugins = calloc(sources->count + 1, sizeof *out->plugins);
    if (!out->list || !out->plugins)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    for (size_t i = 0; i < sources->count; i++) {
        struct inspected *one = &out->list[out->count++];
        snprintf(one->directory, sizeof one->directory, "%s", sources->list[i]->directory);
        if (load(one, &one->err) == 0)
            out->plugins[loaded++] = &one->generation->definition;
        else
            one->generation = NULL;
    }
    out->set = (struct contract_set){out->plugins, loaded};
    return 0;
}

int inspection_load(struct inspection *out, const char *const *directories, size_t count,
                    struct pn_error *err)
{
    struct sources sources = {.count = 0};
    int rc = 0;
    *out = (struct inspection){.count = 0};
    for (size_t i = 0; i < count && rc == 0; i++) {
        char directory[FILE_PATH_MAX];
        size_t found, len = (size_t)snprintf(directory, sizeof directory, "%s", directories[i]);
        while (len > 1 && len < sizeof directory && directory[len - 1] == '/')
            directory[--len] = 0; /* its name is what stands behind the last one */
        rc = sources_scan(&sources, directory, &found, err);
        if (rc == 0 && found == 0)
            rc = pn_error_set(err, PN_ENOTFOUND, "there is no plugin in '%s'", directories[i]);
    }
    if (rc == 0)
        rc = load_all(out, &sources, err);
    sources_release(&sources);
    return rc;
}

void inspection_release(struct inspection *in)
{
    for (size_t i = 0; i < in->count; i++) {
        struct inspected *one = &in->list[i];
        for (struct inspected_problem *p; (p = one->problems);) {
            one->problems = p->next;
            free(p);
        }
        generation_unref(one->generation);
        buffer_release(&one->archive);
    }
    free(in->list);
    free(in->plugins);
    *in = (struct inspection){.count = 0};
}

size_t inspection_report(const struct inspection *in, const char *command)
{
    size_t failed = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (in->list[i].generation)
            continue;
        fprintf(stderr, "pinion %s: %s\n", command, in->list[i].err.message);
        failed++;
    }
    return failed;
}
