/* One HTTPS request on a connection of its own. */
#ifndef HTTPS_H
#define HTTPS_H

#include <stdbool.h>

#include "outcome.h"

struct server {
	char host[256];
	char port[6];
};

enum trust {
	TRUST_NOBODY, /* proves nothing: only for what is checked by other means, and without a secret */
	TRUST_ROOTS,  /* ROOTS_FILE vouches for the server */
	TRUST_MUTUAL  /* and the device shows its certificate */
};

struct answer {
	int status;
	char *body; /* a string, to be freed */
};

/* Of a URL like https://muster.example:8443. */
bool https_parse_url(const char *url, struct server *server);
/* With `body`, JSON, it is a POST, else a GET. DONE means that there is an answer, whatever it says. */
enum outcome https_ask(const struct server *server, enum trust trust, const char *path, const char *body,
                       struct answer *answer);

#endif
