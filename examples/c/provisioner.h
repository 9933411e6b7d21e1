/* The provisioner's side of the device: enrolment, renewal, and why somebody is refused. */
#ifndef PROVISIONER_H
#define PROVISIONER_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "https.h"
#include "outcome.h"

struct provisioner {
	struct server server;
	EVP_PKEY *key;
	/* Seconds that the last NOT_NOW asks for; 0 where it does not say. */
	unsigned int patience;
};

/* The root that the claim names, over a connection that proves nothing and carries no secret. */
enum outcome provisioner_pin_root(struct provisioner *provisioner, const char *claim);
enum outcome provisioner_enrol(struct provisioner *provisioner, const char *claim);
/* Whether it is time. Also how to learn why a broker refuses: it answers, or REFUSED has said the reason. */
enum outcome provisioner_wants_renewal(struct provisioner *provisioner, bool *wanted);
/* With the same key, so one rename takes the device from the old certificate to the new one. Both are good until the new one is used. */
enum outcome provisioner_renew(struct provisioner *provisioner);

#endif
