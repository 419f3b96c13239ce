#include "http/library.h"

#include <dlfcn.h>
#include <stdbool.h>

#define LIBRARY_FILE "libcurl.so.4"
#define LEAST_VERSION 0x075700 /* 7.87: CURLOPT_QUICK_EXIT */

struct http_library curl;

static const struct {
    const char *name;
    void **place;
} symbols[] = {
#define X(name) {"curl_" #name, (void **)(void *)&curl.name},
    HTTP_LIBRARY(X)
#undef X
};

/* It stays until the process ends: it may have threads that look up names. */
int http_library_load(struct pn_error *err)
{
    static bool loaded;
    if (loaded)
        return 0;
    void *library = dlopen(LIBRARY_FILE, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return pn_error_set(err, PN_ENOTFOUND, "cannot load %s: %s", LIBRARY_FILE, dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        *symbols[i].place = dlsym(library, symbols[i].name);
        if (!*symbols[i].place)
            return pn_error_set(err, PN_ENOTFOUND, "%s has no %s", LIBRARY_FILE, symbols[i].name);
    }
    const curl_version_info_data *info = curl.version_info(CURLVERSION_NOW);
    if (info->version_num < LEAST_VERSION)
        return pn_error_set(err, PN_ENOTFOUND, "%s is version %s, 7.87 or newer is needed",
                            LIBRARY_FILE, info->version);
    loaded = true;
    return 0;
}
