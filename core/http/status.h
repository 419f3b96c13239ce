/*
 * Status codes and what they are called (RFC 9110, 15; RFC 6585).
 */
#ifndef PINION_HTTP_STATUS_H
#define PINION_HTTP_STATUS_H

#include "base/text.h"

/* "Not Found"; for an unregistered code the name of its class, "Client Error". Never empty. */
struct text http_status_reason(int status);

/* "HTTP/1.1 404 Not Found\r\n", static, for a registered code; data == NULL otherwise. */
struct text http_status_line(int status);

#endif
