/*
 * Files compiled into the binary (made by cmake/embed-files.cmake): a table that ends with a NULL
 * name.
 */
#ifndef PINION_BASE_EMBEDDED_H
#define PINION_BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; /* "prelude/pinion.lua" */
    const char *data; /* terminated */
    size_t len;
};

#endif
