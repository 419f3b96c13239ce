#include "base/span.h"

int64_t span_parse(struct text t)
{
    static const struct {
        struct text unit;
        int64_t ms;
    } units[] = {{TEXT("ms"), 1},
                 {TEXT("s"), 1000},
                 {TEXT("m"), 60 * 1000},
                 {TEXT("h"), 3600 * 1000},
                 {TEXT("d"), 24 * 3600 * 1000}};
    size_t digits = 0;
    int64_t count, ms;
    while (digits < t.len && t.data[digits] >= '0' && t.data[digits] <= '9')
        digits++;
    if (digits == 0 || !text_to_int64((struct text){t.data, digits}, &count))
        return 0;
    struct text unit = {t.data + digits, t.len - digits};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (text_equal(unit, units[i].unit))
            return __builtin_mul_overflow(count, units[i].ms, &ms) ? INT64_MAX : ms;
    return 0;
}
