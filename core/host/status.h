/*
 * Status: what a host tells about itself, at the admin address and in run/host.json.
 */
#ifndef PINION_HOST_STATUS_H
#define PINION_HOST_STATUS_H

#include "backup/patrol.h"
#include "host/process.h"
#include "host/sources.h"

/*
 * One JSON object: host, control, workers, plugins (what is published), deploys (the last one of
 * each directory).
 */
void status_write(const struct host *h, const struct active *active, const struct sources *sources,
                  const struct usage *usage, const struct patrol *patrol, struct buffer *out);

/*
 * {"pid":…,"listen":"127.0.0.1:8080","admin":"…","ready":true}: how other programs find the host of
 * a data directory.
 */
int status_write_host_file(const struct host *h, bool ready, struct pn_error *err);

#endif
