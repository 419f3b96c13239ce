/*
 * Library: libcurl, loaded by a process that needs it while it runs.
 *
 * Not linked: it brings thirty other libraries along, which cost every start of the program 8 ms and
 * its processes 6 MB, and only workers speak HTTP to others. To be loaded before the process gives
 * up making memory executable (base/harden.h). Inside core/http only.
 */
#ifndef PINION_HTTP_LIBRARY_H
#define PINION_HTTP_LIBRARY_H

#include "base/error.h"

#include <curl/curl.h>

/* curl.easy_setopt is curl_easy_setopt, and so on. */
#define HTTP_LIBRARY(X)                                                                            \
    X(global_init)                                                                                 \
    X(version_info)                                                                                \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_pause)                                                                                  \
    X(easy_strerror)                                                                               \
    X(multi_init)                                                                                  \
    X(multi_cleanup)                                                                               \
    X(multi_setopt)                                                                                \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_socket_action)                                                                         \
    X(multi_info_read)                                                                             \
    X(multi_assign)                                                                                \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_get)                                                                                     \
    X(url_set)                                                                                     \
    X(free)

struct http_library {
#define X(name) __typeof__(curl_##name) *name;
    HTTP_LIBRARY(X)
#undef X
};

extern struct http_library curl; /* valid after http_library_load */

int http_library_load(struct pn_error *err); /* PN_ENOTFOUND; once is enough */

#endif
