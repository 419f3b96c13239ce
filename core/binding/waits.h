/*
 * Waits: how what is below Lua's scheduler waits, with its fibers.
 */
#ifndef PINION_BINDING_WAITS_H
#define PINION_BINDING_WAITS_H

#include "store/remote.h"

extern const struct store_fibers waits;

#endif
