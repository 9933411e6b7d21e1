/* The server's answer that makes a device of this machine. */
#ifndef ENROLMENT_H
#define ENROLMENT_H

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdbool.h>

#include "outcome.h"

/* Names have 63 characters at most. */
struct enrolment {
	char device[64];
	char fleet[64];
	char client_id[64];
	char broker[320];
};

/* Keeps an answer if it is for our key and leads to a root that is trusted; then it is what counts from now on. */
enum outcome enrolment_save(const char *answer, EVP_PKEY *key);
/* False where there is none, or it is damaged. Makes the certificate's file again: a power cut may have come between. */
bool enrolment_load(struct enrolment *enrolment);
/* The string at a member, or NULL. */
const char *enrolment_string(const cJSON *object, const char *member);

#endif
