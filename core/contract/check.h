/*
 * Checks of scalars against a type's constraints: true, or an offence is noted.
 *
 * `name` values are shown as they came. The kind of value is already right: a check of
 * CONTRACT_INTEGER is given an integer.
 */
#ifndef PINION_CONTRACT_CHECK_H
#define PINION_CONTRACT_CHECK_H

#include "contract/offence.h"
#include "contract/type.h"

bool contract_check_integer(const struct contract_type *type, int64_t value,
                            const struct contract_path *at, struct contract_offences *o);
bool contract_check_number(const struct contract_type *type, double value,
                           const struct contract_path *at, struct contract_offences *o);
/*
 * Strings of all kinds (enum, timestamp, date, uuid, decimal too). The text is known to be UTF-8.
 */
bool contract_check_string(const struct contract_type *type, struct text value,
                           const struct contract_path *at, struct contract_offences *o);
/* Of an enum's choices, or of a union's tags. */
bool contract_check_choice(const struct contract_type *type, struct text value,
                           const struct contract_path *at, struct contract_offences *o);
/* No two items of the array that `json` is, a valid text, are equal. */
bool contract_check_unique(struct text json, const struct contract_path *at,
                           struct contract_offences *o);
/* Count of bytes that base64 stood for. */
bool contract_check_bytes(const struct contract_type *type, size_t length,
                          const struct contract_path *at, struct contract_offences *o);
/* Count of items of an array or map. */
bool contract_check_count(const struct contract_type *type, size_t count,
                          const struct contract_path *at, struct contract_offences *o);

/* Whether `format = "email"` can be checked. */
bool contract_format_known(struct text name);

bool contract_is_timestamp(struct text t); /* RFC 3339, section 5.6, with the calendar's rules */
bool contract_is_date(struct text t);
bool contract_is_uuid(struct text t); /* RFC 9562 text form, either case */
bool contract_is_decimal(struct text t);

#endif
