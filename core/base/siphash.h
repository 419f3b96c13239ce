/*
 * SipHash-1-3: a hash with a secret key, for tables whose keys may be chosen by somebody who would
 * like them all to collide. (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, with
 * one round a word and three at the end.)
 */
#ifndef PINION_BASE_SIPHASH_H
#define PINION_BASE_SIPHASH_H

#include "base/text.h"

uint64_t siphash(const uint64_t key[2], struct text t);

#endif
