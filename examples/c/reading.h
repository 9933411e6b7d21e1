/* What this machine measures, and its answers to commands, as JSON. */
#ifndef READING_H
#define READING_H

#include <stddef.h>

/* To be freed; NULL where memory is out. */
char *reading_take(void);
char *reading_answer(const char *command, const char *payload, size_t length);

#endif
