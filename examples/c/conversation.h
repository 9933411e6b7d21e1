/* The MQTT side of the device: one session, over as many connections as it takes. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include "enrolment.h"
#include "outcome.h"
#include "provisioner.h"

struct pace {
	unsigned int reading_seconds;
	unsigned int question_seconds;
};

/* One connection, until the program is asked to end or the certificate was renewed (DONE), or the connection is lost (NOT_NOW). */
enum outcome conversation_hold(const struct enrolment *enrolment, struct provisioner *provisioner, const struct pace *pace);
/* Renews if it is time. `renewed` says whether it did. */
enum outcome conversation_renew_if_wanted(struct provisioner *provisioner, bool *renewed);

#endif
