#include "enrolment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"
#include "store.h"

#define MAX_ENROLMENT 131072

const char *enrolment_string(const cJSON *object, const char *member)
{
	const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, member);
	return cJSON_IsString(found) ? found->valuestring : NULL;
}

/* The leaf and the certificates between it and the root, PEM, to be freed. */
static char *join_chain(const cJSON *answer)
{
	const char *leaf = enrolment_string(answer, "certificate");
	const char *chain = enrolment_string(answer, "chain");
	if (leaf == NULL || chain == NULL)
		return NULL;
	size_t room = strlen(leaf) + strlen(chain) + 1;
	char *joined = malloc(room);
	if (joined != NULL && snprintf(joined, room, "%s%s", leaf, chain) < 0) {
		free(joined);
		return NULL;
	}
	return joined;
}

static bool is_good(const char *chain_pem, const char *roots_pem, EVP_PKEY *key)
{
	STACK_OF(X509) *chain = identity_read_certificates(chain_pem);
	STACK_OF(X509) *roots = identity_read_certificates(roots_pem);
	bool good = chain != NULL && roots != NULL && identity_is_certified(key, chain, roots);
	sk_X509_pop_free(chain, X509_free);
	sk_X509_pop_free(roots, X509_free);
	return good;
}

enum outcome enrolment_save(const char *answer, EVP_PKEY *key)
{
	enum outcome outcome = UNTRUSTED;
	cJSON *parsed = cJSON_Parse(answer);
	char *chain = join_chain(parsed);
	char *pinned = store_read(ROOTS_FILE, MAX_ENROLMENT);
	/* While roots are being rolled, the verified server says which ones count from now on. */
	const char *offered = enrolment_string(parsed, "roots");
	const char *roots = offered != NULL ? offered : pinned;
	if (chain == NULL || roots == NULL || !is_good(chain, roots, key))
		fprintf(stderr, "the certificate that was answered is not for this device, or leads to no trusted root\n");
	else if ((offered != NULL && !store_write(ROOTS_FILE, offered, strlen(offered))) ||
	         !store_write(ENROLMENT_FILE, answer, strlen(answer)))
		outcome = NOT_NOW;
	else
		outcome = DONE;
	free(pinned);
	free(chain);
	cJSON_Delete(parsed);
	return outcome;
}

static bool copy(char *target, size_t room, const char *text)
{
	int size = text != NULL ? snprintf(target, room, "%s", text) : -1;
	return size > 0 && (size_t)size < room;
}

bool enrolment_load(struct enrolment *enrolment)
{
	char *text = store_read(ENROLMENT_FILE, MAX_ENROLMENT);
	cJSON *parsed = text != NULL ? cJSON_Parse(text) : NULL;
	const cJSON *device = cJSON_GetObjectItemCaseSensitive(parsed, "device");
	const cJSON *mqtt = cJSON_GetObjectItemCaseSensitive(parsed, "mqtt");
	char *chain = join_chain(parsed);
	bool loaded = chain != NULL && copy(enrolment->device, sizeof enrolment->device, enrolment_string(device, "id")) &&
	              copy(enrolment->fleet, sizeof enrolment->fleet, enrolment_string(device, "fleet")) &&
	              copy(enrolment->client_id, sizeof enrolment->client_id, enrolment_string(mqtt, "clientId")) &&
	              copy(enrolment->broker, sizeof enrolment->broker, enrolment_string(mqtt, "url")) &&
	              store_write(CERTIFICATE_FILE, chain, strlen(chain));
	free(chain);
	cJSON_Delete(parsed);
	free(text);
	return loaded;
}
