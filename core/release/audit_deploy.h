/*
 * What the audit log says of deployments:
 *
 * - "publish" and "retire" before active.json is written: without the entry nothing is published.
 *   Subject: the generation's label. Detail: `hash`, `replaces` (a label) and `replaces_hash`,
 *   `migrations` (a hash), `directory`, `restores` (it goes back to the release before).
 * - "live" and "retired" once every worker has said so: `took_ms`, and of the contract `since`,
 *   `breaking`, `compatible` where it was compared.
 * - "refuse": nothing has changed. Subject: the directory, or the plugin. Detail: `step`, `error`.
 * - "start": control has come up. Detail: `serves`, the labels in active.json. It tells what became
 *   of a publish that no "live" follows.
 */
#ifndef PINION_RELEASE_AUDIT_DEPLOY_H
#define PINION_RELEASE_AUDIT_DEPLOY_H

#include "release/audit.h"
#include "release/deploy.h"

/* All as audit_append. */
int audit_publish(struct audit *a, const struct publication *p, struct pn_error *err);
int audit_report(struct audit *a, const struct deploy_report *r, struct pn_error *err);
int audit_start(struct audit *a, const struct active *active, struct pn_error *err);

#endif
