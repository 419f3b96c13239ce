/*
 * Image: the bytes of a whole database as one snapshot has them, for backup and for looking at a
 * database from outside the host.
 *
 * Invariants: it only reads. It never writes the database, never checkpoints, not even when the last
 * connection closes, so it may run beside a home worker; while a snapshot is open the log cannot be
 * reset and grows. An image is copied into a part of another file, without a file of its own.
 * Life: image_open, any of the rest, image_close. One thread.
 *
 * Errors: PN_ESTORE (not a database, damaged), PN_EBUSY, PN_EFULL (where it is copied to), PN_EIO,
 * PN_ENOMEM, PN_ENOTFOUND.
 */
#ifndef PINION_STORE_IMAGE_H
#define PINION_STORE_IMAGE_H

#include "base/error.h"
#include "base/text.h"

/* "Pinn": which program a database belongs to (pragma application_id). */
#define IMAGE_APPLICATION_ID 0x50696E6E

struct image;

/* Where an image lies in a file. */
struct image_place {
    int file; /* a descriptor, open to read, and to write for image_copy */
    int64_t offset, bytes;
};

/* One thing that is wrong, in words; views are valid during the call. */
typedef void (*image_tell)(void *user, const char *problem);

/* `path` is copied. A file of no bytes is fine: its home has not written yet. */
int image_open(struct image **out, const char *path, struct pn_error *err);
void image_close(struct image *image); /* NULL is fine */

/*
 * A number that is another one after somebody has committed; comparable with those of the same image
 * only. Opens no snapshot.
 */
int image_version(struct image *image, int64_t *version, struct pn_error *err);

/* Opens the snapshot. Its version, and how many bytes the image has. */
int image_begin(struct image *image, int64_t *version, int64_t *bytes, struct pn_error *err);
void image_end(struct image *image);

/* Copies the snapshot's bytes to `to`, whose size must be the image's and which must be all zeros.
 * Not synced. `goes_on` (NULL: it does) is asked now and then: false ends it with PN_ECLOSED. */
int image_copy(struct image *image, const struct image_place *to, bool (*goes_on)(void *user),
               void *user, struct pn_error *err);

enum { IMAGE_PROBLEMS_MAX = 20 }; /* that are told of one database */

/*
 * Whether an image that was copied is sound: SQLite's quick_check, or integrity_check where it is
 * `thorough`. 0 also when there are problems: then they were told.
 */
int image_check(const struct image_place *at, bool thorough, image_tell tell, void *user,
                struct pn_error *err);

/*
 * The same of the open database, from one snapshot. `thorough` also looks for rows that refer to
 * rows that are not there, and at whose database it is.
 */
int image_examine(struct image *image, bool thorough, image_tell tell, void *user,
                  struct pn_error *err);

#endif
