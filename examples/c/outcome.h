/* What an attempt came to; the numbers are those of sysexits.h, and the program's exit codes. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <signal.h>

enum outcome {
	DONE = 0,
	NOT_NOW = 75,   /* passes by itself */
	UNTRUSTED = 76, /* the server is not the one that the claim names, or its answer is not for this device */
	REFUSED = 77    /* repeating it would change nothing */
};

/* Set when the program is asked to end. */
extern volatile sig_atomic_t ended;

#endif
