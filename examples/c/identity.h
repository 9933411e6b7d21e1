/* The device's key, its requests, and what it believes of certificates. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#define FINGERPRINT_LENGTH 64

/* The stored key, or a new one, which is on disk before anybody hears of it: the claim is bound to the first key that shows it. */
EVP_PKEY *identity_open_key(void);
/* PKCS#10, PEM, to be freed; NULL where it fails. */
char *identity_make_request(EVP_PKEY *key);
/* All certificates in a PEM text; NULL where there are none, or something else is in it. */
STACK_OF(X509) *identity_read_certificates(const char *pem);
/* PEM, to be freed. */
char *identity_print_certificate(X509 *certificate);
/* SHA-256 of the certificate, lower-case hex. */
bool identity_fingerprint(const X509 *certificate, char fingerprint[FINGERPRINT_LENGTH + 1]);
/* Whether the first of `chain` is for `key` and the others lead from it to one of `roots`, by this machine's clock. */
bool identity_is_certified(EVP_PKEY *key, STACK_OF(X509) *chain, STACK_OF(X509) *roots);
/* Prints "<what> <device> <serial number>" for the stored certificate. */
bool identity_say(const char *what, const char *device);

#endif
