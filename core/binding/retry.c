#include "binding/retry.h"

#include "base/clock.h"

#include <time.h>

enum { DATE_SIZE = 40, ASKED_MAX_S = 86400 };

bool retry_is_safe(const char *method, bool has_key)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (strcmp(method, safe[i]) == 0)
            return true;
    return has_key;
}

bool retry_makes_sense(enum http_transfer_end end, int status)
{
    switch (end) {
    case HTTP_TRANSFER_ANSWERED:
        return status == 502 || status == 503 || status == 504;
    case HTTP_TRANSFER_REFUSED:
    case HTTP_TRANSFER_DNS:
    case HTTP_TRANSFER_CLOSED:
        return true;
    default:
        return false;
    }
}

/* Seconds from now; 0 when it says nothing that can be understood. */
static int64_t asked_for(struct text value, int64_t wall)
{
    int64_t seconds = 0;
    char date[DATE_SIZE] = "";
    struct tm tm = {.tm_isdst = 0};
    if (value.len == 0 || value.len >= sizeof date)
        return 0;
    if (!text_to_int64(value, &seconds)) {
        memcpy(date, value.data, value.len);
        const char *end = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        seconds = end && !*end ? (int64_t)timegm(&tm) - wall / NS_PER_SECOND : 0;
    }
    return seconds < 0 ? 0 : seconds > ASKED_MAX_S ? ASKED_MAX_S : seconds;
}

int64_t retry_delay_ms(int next, struct text retry_after, int64_t wall, uint64_t random)
{
    int64_t most = RETRY_BASE_MS;
    for (int i = 2; i < next && most < RETRY_MOST_MS; i++)
        most *= 2;
    most = most < RETRY_MOST_MS ? most : RETRY_MOST_MS;
    int64_t own = most - (int64_t)(random % (uint64_t)(most / 2 + 1));
    int64_t asked = asked_for(retry_after, wall) * 1000;
    return asked > own ? asked : own;
}
