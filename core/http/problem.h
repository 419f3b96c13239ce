/*
 * Problem: the bodies of refusals, application/problem+json (RFC 9457).
 */
#ifndef PINION_HTTP_PROBLEM_H
#define PINION_HTTP_PROBLEM_H

#include "base/buffer.h"

#define HTTP_PROBLEM_TYPE TEXT("application/problem+json")

struct http_problem_member {
    struct text name;
    struct text value;
    bool is_json; /* value stands as it is; otherwise it is a string to be quoted */
};

struct http_problem {
    int status;
    struct text type;   /* empty: "about:blank" */
    struct text title;  /* empty: the status's reason */
    struct text detail; /* empty: left out */
    const struct http_problem_member *members;
    size_t member_count;
};

void http_problem_write(struct buffer *out, const struct http_problem *p);

#endif
