#include "host/sources.h"

#include "base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

void sources_release(struct sources *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->list[i]);
    s->count = 0;
}

bool source_is_plugin(const char *directory)
{
    char path[FILE_PATH_MAX];
    return file_join(path, sizeof path, directory, TEXT("init.lua"), NULL) == 0 &&
           file_exists(path);
}

struct source *sources_by_directory(const struct sources *s, const char *directory)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->list[i]->directory, directory) == 0)
            return s->list[i];
    return NULL;
}

struct source *sources_by_plugin(const struct sources *s, const char *plugin)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->list[i]->gone && strcmp(s->list[i]->plugin, plugin) == 0)
            return s->list[i];
    return NULL;
}

static int add(struct sources *s, const char *directory, struct pn_error *err)
{
    struct source *known = sources_by_directory(s, directory);
    if (known) {
        known->arrived = known->arrived || known->gone;
        known->gone = false;
        return 0;
    }
    if (s->count == SOURCES_MAX)
        return pn_error_set(err, PN_ELIMIT, "more than %d plugins", SOURCES_MAX);
    struct source *one = calloc(1, sizeof *one);
    if (!one)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    snprintf(one->directory, sizeof one->directory, "%s", directory);
    one->arrived = true;
    s->list[s->count++] = one;
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int scan_folder(struct sources *s, const char *folder, size_t *found, struct pn_error *err)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, by_name), rc = 0;
    if (count < 0)
        return pn_error_errno(err, PN_EIO, "cannot read directory '%s'", folder);
    for (int i = 0; i < count; i++) {
        char path[FILE_PATH_MAX];
        bool usable = rc == 0 && entries[i]->d_name[0] != '.' &&
                      file_join(path, sizeof path, folder, text_of(entries[i]->d_name), NULL) == 0;
        if (usable && source_is_plugin(path)) {
            rc = add(s, path, err);
            ++*found;
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int sources_scan(struct sources *s, const char *directory, size_t *found, struct pn_error *err)
{
    *found = 0;
    if (!file_is_directory(directory))
        return pn_error_set(err, PN_ENOTFOUND, "'%s' is not a directory", directory);
    if (!source_is_plugin(directory))
        return scan_folder(s, directory, found, err);
    *found = 1;
    return add(s, directory, err);
}

void source_report(struct source *s, const struct deploy_report *report)
{
    s->reported = true;
    s->ok = report->code == 0 || report->code == PN_EEXIST;
    s->step = report->step;
    s->at_wall = clock_wall();
    s->took = report->took;
    if (report->difference)
        s->difference = *report->difference;
    else if (report->code != PN_EEXIST)
        s->difference = (struct difference){.unknown = false};
    snprintf(s->message, sizeof s->message, "%s", s->ok ? "" : report->message);
    /*
     * A broken save that also changes the name leaves the old one serving, and this its directory.
     */
    if (report->plugin[0] && (s->ok || !s->plugin[0]))
        snprintf(s->plugin, sizeof s->plugin, "%s", report->plugin);
    if (report->code == 0)
        snprintf(s->label, sizeof s->label, "%s", report->label);
}
