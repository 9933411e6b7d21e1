#include "identity.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store.h"

#define MAX_PEM 131072

static EVP_PKEY *load_key(void)
{
	struct stat status;
	if (stat(KEY_FILE, &status) != 0 || (status.st_mode & 077) != 0) {
		fprintf(stderr, KEY_FILE " may be used by others: chmod 600\n");
		return NULL;
	}
	BIO *file = BIO_new_file(KEY_FILE, "r");
	EVP_PKEY *key = file != NULL ? PEM_read_bio_PrivateKey(file, NULL, NULL, NULL) : NULL;
	BIO_free(file);
	if (key == NULL)
		fprintf(stderr, KEY_FILE " is not a private key\n");
	return key;
}

EVP_PKEY *identity_open_key(void)
{
	if (store_has(KEY_FILE))
		return load_key();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	/* Memory of this kind is wiped when it is freed. */
	BIO *pem = BIO_new(BIO_s_secmem());
	char *text = NULL;
	bool stored = key != NULL && pem != NULL && PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1;
	long length = stored ? BIO_get_mem_data(pem, &text) : 0;
	stored = length > 0 && store_write(KEY_FILE, text, (size_t)length);
	BIO_free(pem);
	if (stored)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static char *copy_text(BIO *bio)
{
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	return length > 0 ? strndup(data, (size_t)length) : NULL;
}

char *identity_make_request(EVP_PKEY *key)
{
	X509_REQ *request = X509_REQ_new();
	BIO *pem = BIO_new(BIO_s_mem());
	char *text = NULL;
	/* Of the request the key counts, and nothing else: the name comes from the claim. */
	if (request != NULL && pem != NULL && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
	    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
	                               (const unsigned char *)"device", -1, -1, 0) == 1 &&
	    X509_REQ_set_pubkey(request, key) == 1 && X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
	    PEM_write_bio_X509_REQ(pem, request) == 1)
		text = copy_text(pem);
	BIO_free(pem);
	X509_REQ_free(request);
	return text;
}

STACK_OF(X509) *identity_read_certificates(const char *pem)
{
	size_t length = strlen(pem);
	BIO *bio = length < MAX_PEM ? BIO_new_mem_buf(pem, (int)length) : NULL;
	STACK_OF(X509) *certificates = sk_X509_new_null();
	bool failed = bio == NULL || certificates == NULL;
	while (!failed) {
		X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (certificate == NULL)
			break;
		if (sk_X509_push(certificates, certificate) == 0) {
			X509_free(certificate);
			failed = true;
		}
	}
	/* It ends where no further one begins; anything else is damage. */
	if (!failed && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		failed = true;
	ERR_clear_error();
	BIO_free(bio);
	if (!failed && sk_X509_num(certificates) > 0)
		return certificates;
	sk_X509_pop_free(certificates, X509_free);
	return NULL;
}

char *identity_print_certificate(X509 *certificate)
{
	BIO *pem = BIO_new(BIO_s_mem());
	char *text = pem != NULL && PEM_write_bio_X509(pem, certificate) == 1 ? copy_text(pem) : NULL;
	BIO_free(pem);
	return text;
}

bool identity_fingerprint(const X509 *certificate, char fingerprint[FINGERPRINT_LENGTH + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	if (X509_digest(certificate, EVP_sha256(), digest, &length) != 1 || length * 2 != FINGERPRINT_LENGTH)
		return false;
	for (unsigned int at = 0; at < length; at++)
		snprintf(fingerprint + at * 2, 3, "%02x", digest[at]);
	return true;
}

static bool leads_to(STACK_OF(X509) *chain, STACK_OF(X509) *roots)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509_STORE *store = X509_STORE_new();
	bool good = context != NULL && store != NULL;
	for (int at = 0; good && at < sk_X509_num(roots); at++)
		good = X509_STORE_add_cert(store, sk_X509_value(roots, at)) == 1;
	good = good && X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain) == 1 &&
	       X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1 && X509_verify_cert(context) == 1;
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return good;
}

bool identity_is_certified(EVP_PKEY *key, STACK_OF(X509) *chain, STACK_OF(X509) *roots)
{
	if (X509_check_private_key(sk_X509_value(chain, 0), key) == 1 && leads_to(chain, roots))
		return true;
	ERR_clear_error();
	return false;
}

bool identity_say(const char *what, const char *device)
{
	char *pem = store_read(CERTIFICATE_FILE, MAX_PEM);
	STACK_OF(X509) *chain = pem != NULL ? identity_read_certificates(pem) : NULL;
	BIGNUM *number = chain != NULL ? ASN1_INTEGER_to_BN(X509_get0_serialNumber(sk_X509_value(chain, 0)), NULL) : NULL;
	char *serial = number != NULL ? BN_bn2hex(number) : NULL;
	for (char *at = serial; at != NULL && *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'F')
			*at += 'a' - 'A';
	bool known = serial != NULL && printf("%s %s %s\n", what, device, serial) > 0;
	OPENSSL_free(serial);
	BN_free(number);
	sk_X509_pop_free(chain, X509_free);
	free(pem);
	return known;
}
