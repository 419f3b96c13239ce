/*
 * Tell: what workers have counted (plugin/tally.h), on its way to the control process, which keeps it
 * (release/usage.h). One way, unanswered: BUS_USAGE.
 */
#ifndef PINION_HOST_TELL_H
#define PINION_HOST_TELL_H

#include "host/bus.h"
#include "plugin/catalogue.h"
#include "release/usage.h"

/* Sends what all generations have counted since the last time; nothing when nobody has called. */
void tell_usage(const struct catalogue *catalogue, struct bus_peer *control);

/* What is not understood is left out. Whether somebody used something for the first time. */
bool tell_receive(struct usage *usage, struct text payload);

#endif
