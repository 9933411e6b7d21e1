#include "provisioner.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enrolment.h"
#include "identity.h"
#include "store.h"

#define MAX_ROOTS 131072
#define URN "urn:muster:error:"

/* muster1.<id>.<secret>.<fingerprint of the root>: the last part, or NULL where it is no claim. */
static const char *root_in(const char *claim)
{
	char id[17], secret[44], fingerprint[FINGERPRINT_LENGTH + 1];
	int end = 0;
	int fields = sscanf(claim, "muster1.%16[0-9a-f].%43[A-Za-z0-9_-].%64[0-9a-f]%n", id, secret, fingerprint, &end);
	bool whole = fields == 3 && strlen(id) == 16 && strlen(secret) == 43 && strlen(fingerprint) == FINGERPRINT_LENGTH;
	OPENSSL_cleanse(secret, sizeof secret);
	return whole && claim[end] == '\0' ? claim + end - FINGERPRINT_LENGTH : NULL;
}

/* What is final, and what passes by itself. The reason goes to standard error. */
static enum outcome judge(struct provisioner *provisioner, const struct answer *answer)
{
	if (answer->status == 200 || answer->status == 201)
		return DONE;
	cJSON *problem = cJSON_Parse(answer->body);
	const char *type = enrolment_string(problem, "type");
	const char *detail = enrolment_string(problem, "detail");
	const cJSON *patience = cJSON_GetObjectItemCaseSensitive(problem, "retryAfter");
	const char *code = type != NULL && strncmp(type, URN, strlen(URN)) == 0 ? type + strlen(URN) : "unknown";
	bool passes = answer->status == 202 || answer->status == 429 || answer->status >= 500 ||
	              strcmp(code, "device-suspended") == 0 || strcmp(code, "device-pending") == 0;
	if (answer->status == 202)
		fprintf(stderr, "an operator has to approve this device\n");
	else
		fprintf(stderr, "refused: %s: %s\n", code, detail != NULL ? detail : "");
	if (cJSON_IsNumber(patience) && patience->valuedouble > 0 && patience->valuedouble < 86400)
		provisioner->patience = (unsigned int)patience->valuedouble;
	cJSON_Delete(problem);
	return passes ? NOT_NOW : REFUSED;
}

static enum outcome ask(struct provisioner *provisioner, enum trust trust, const char *path, const char *body,
                        struct answer *answer)
{
	provisioner->patience = 0;
	enum outcome outcome = https_ask(&provisioner->server, trust, path, body, answer);
	return outcome == DONE ? judge(provisioner, answer) : outcome;
}

static enum outcome keep_root(const char *roots_pem, const char *fingerprint)
{
	enum outcome outcome = UNTRUSTED;
	STACK_OF(X509) *roots = roots_pem != NULL ? identity_read_certificates(roots_pem) : NULL;
	for (int at = 0; roots != NULL && outcome == UNTRUSTED && at < sk_X509_num(roots); at++) {
		char own[FINGERPRINT_LENGTH + 1];
		if (!identity_fingerprint(sk_X509_value(roots, at), own) || strcmp(own, fingerprint) != 0)
			continue;
		char *pem = identity_print_certificate(sk_X509_value(roots, at));
		outcome = pem != NULL && store_write(ROOTS_FILE, pem, strlen(pem)) ? DONE : NOT_NOW;
		free(pem);
	}
	sk_X509_pop_free(roots, X509_free);
	return outcome;
}

enum outcome provisioner_pin_root(struct provisioner *provisioner, const char *claim)
{
	const char *fingerprint = root_in(claim);
	if (fingerprint == NULL) {
		fprintf(stderr, "refused: claim-invalid: the file does not hold a claim\n");
		return REFUSED;
	}
	if (store_has(ROOTS_FILE))
		return DONE;
	struct answer answer;
	enum outcome outcome = ask(provisioner, TRUST_NOBODY, "/v1/bootstrap", NULL, &answer);
	if (outcome == DONE) {
		cJSON *bootstrap = cJSON_Parse(answer.body);
		outcome = keep_root(enrolment_string(bootstrap, "roots"), fingerprint);
		if (outcome == UNTRUSTED)
			fprintf(stderr, "%s does not have the root that the claim names\n", provisioner->server.host);
		cJSON_Delete(bootstrap);
	}
	free(answer.body);
	return outcome;
}

/* Frees `body`. */
static enum outcome ask_for_certificate(struct provisioner *provisioner, enum trust trust, const char *path, cJSON *body)
{
	char *text = cJSON_PrintUnformatted(body);
	struct answer answer = { 0 };
	enum outcome outcome = text != NULL ? ask(provisioner, trust, path, text, &answer) : NOT_NOW;
	if (outcome == DONE)
		outcome = enrolment_save(answer.body, provisioner->key);
	free(answer.body);
	if (text != NULL)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
	cJSON_Delete(body);
	return outcome;
}

/* With what every request for a certificate has; NULL where memory is out. */
static cJSON *begin_body(EVP_PKEY *key)
{
	char *request = identity_make_request(key);
	cJSON *body = request != NULL ? cJSON_CreateObject() : NULL;
	bool complete = cJSON_AddStringToObject(body, "csr", request) != NULL;
	free(request);
	if (complete)
		return body;
	cJSON_Delete(body);
	return NULL;
}

enum outcome provisioner_enrol(struct provisioner *provisioner, const char *claim)
{
	cJSON *body = begin_body(provisioner->key);
	if (cJSON_AddStringToObject(body, "claim", claim) == NULL) {
		cJSON_Delete(body);
		return NOT_NOW;
	}
	return ask_for_certificate(provisioner, TRUST_ROOTS, "/v1/enrol", body);
}

/* The operator sees by this which devices know a new root. */
static bool add_fingerprints(cJSON *body)
{
	char *pem = store_read(ROOTS_FILE, MAX_ROOTS);
	STACK_OF(X509) *roots = pem != NULL ? identity_read_certificates(pem) : NULL;
	cJSON *list = cJSON_AddArrayToObject(body, "roots");
	bool complete = roots != NULL && list != NULL;
	for (int at = 0; complete && at < sk_X509_num(roots); at++) {
		char fingerprint[FINGERPRINT_LENGTH + 1];
		complete = identity_fingerprint(sk_X509_value(roots, at), fingerprint) &&
		           cJSON_AddItemToArray(list, cJSON_CreateString(fingerprint));
	}
	sk_X509_pop_free(roots, X509_free);
	free(pem);
	return complete;
}

enum outcome provisioner_renew(struct provisioner *provisioner)
{
	cJSON *body = begin_body(provisioner->key);
	if (!add_fingerprints(body)) {
		cJSON_Delete(body);
		return NOT_NOW;
	}
	return ask_for_certificate(provisioner, TRUST_MUTUAL, "/v1/renew", body);
}

enum outcome provisioner_wants_renewal(struct provisioner *provisioner, bool *wanted)
{
	struct answer answer;
	*wanted = false;
	provisioner->patience = 0;
	enum outcome outcome = https_ask(&provisioner->server, TRUST_MUTUAL, "/v1/renewal", NULL, &answer);
	if (outcome == DONE && answer.status == 403 && strstr(answer.body, URN "certificate-expired") != NULL)
		*wanted = true; /* Late, but the fleet may let it renew; that decides. */
	else if (outcome == DONE)
		outcome = judge(provisioner, &answer);
	if (outcome == DONE && !*wanted) {
		cJSON *window = cJSON_Parse(answer.body);
		const char *start = enrolment_string(cJSON_GetObjectItemCaseSensitive(window, "window"), "start");
		const char *now = enrolment_string(window, "serverTime");
		/* Both are in UTC and of one form, so they compare as text. */
		*wanted = start != NULL && now != NULL && strcmp(start, now) <= 0;
		cJSON_Delete(window);
	}
	free(answer.body);
	return outcome;
}
