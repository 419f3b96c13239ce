#include "http/method.h"

static const struct text names[HTTP_METHODS] = {
    [HTTP_GET] = {"GET", 3},         [HTTP_HEAD] = {"HEAD", 4},     [HTTP_POST] = {"POST", 4},
    [HTTP_PUT] = {"PUT", 3},         [HTTP_DELETE] = {"DELETE", 6}, [HTTP_PATCH] = {"PATCH", 5},
    [HTTP_OPTIONS] = {"OPTIONS", 7},
};

enum http_method http_method_parse(struct text name)
{
    enum http_method m = HTTP_GET;
    while (m < HTTP_METHODS && !text_equal(names[m], name))
        m++;
    return m;
}

struct text http_method_name(enum http_method method)
{
    return method < HTTP_METHODS ? names[method] : TEXT("");
}
