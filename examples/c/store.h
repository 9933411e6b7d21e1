/* What the device keeps, in the current directory: each file takes its place in one step that survives a power cut. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_FILE "key.pem"
#define ROOTS_FILE "roots.pem"
/* The server's answer, and the one file that says "enrolled"; the certificate's file is made from it. */
#define ENROLMENT_FILE "enrolment.json"
#define CERTIFICATE_FILE "certificate.pem"

bool store_has(const char *name);
/* False, and a line on standard error, where it is not on disk for certain. */
bool store_write(const char *name, const void *data, size_t length);
/* A string to be freed; NULL where there is none, or it is longer than `limit`. */
char *store_read(const char *name, size_t limit);
/* As store_read, from an open file. */
char *store_read_open(int file, size_t limit);

#endif
