/* Span: a length of time as people write it: "500ms", "30s", "5m", "2h", "7d". */
#ifndef PINION_BASE_SPAN_H
#define PINION_BASE_SPAN_H

#include "base/text.h"

/* Milliseconds (INT64_MAX: more than that); 0: it is no such text, or "0s". */
int64_t span_parse(struct text t);

#endif
