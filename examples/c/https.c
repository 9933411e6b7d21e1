#include "https.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

#define MAX_ANSWER 131072
#define TIMEOUT_SECONDS 30

bool https_parse_url(const char *url, struct server *server)
{
	char rest = '\0';
	int fields = sscanf(url, "https://[%255[0-9a-fA-F:.]]:%5[0-9]%c", server->host, server->port, &rest);
	if (fields < 2)
		fields = sscanf(url, "https://%255[A-Za-z0-9.-]:%5[0-9]%c", server->host, server->port, &rest);
	return fields == 2 || (fields == 3 && rest == '/');
}

static int open_socket(const struct server *server)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	if (getaddrinfo(server->host, server->port, &hints, &found) != 0)
		return -1;
	int connected = -1;
	for (struct addrinfo *each = found; each != NULL && connected < 0; each = each->ai_next) {
		struct timeval patience = { .tv_sec = 10 };
		int candidate = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
		if (candidate < 0)
			continue;
		/* On Linux they hold for connect() as well. */
		if (setsockopt(candidate, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
		    setsockopt(candidate, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
		    connect(candidate, each->ai_addr, each->ai_addrlen) == 0)
			connected = candidate;
		else
			(void)close(candidate);
	}
	freeaddrinfo(found);
	return connected;
}

static SSL_CTX *create_context(enum trust trust)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (context == NULL)
		return NULL;
	bool good = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
	if (trust != TRUST_NOBODY) {
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
		good = good && SSL_CTX_load_verify_file(context, ROOTS_FILE) == 1;
	}
	if (trust == TRUST_MUTUAL)
		good = good && SSL_CTX_use_certificate_chain_file(context, CERTIFICATE_FILE) == 1 &&
		       SSL_CTX_use_PrivateKey_file(context, KEY_FILE, SSL_FILETYPE_PEM) == 1;
	if (good)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

static bool name_server(SSL *tls, const struct server *server)
{
	/* An address has no place in SNI, and is compared with addresses. */
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), server->host) == 1)
		return true;
	ERR_clear_error();
	return SSL_set_tlsext_host_name(tls, server->host) == 1 && SSL_set1_host(tls, server->host) == 1;
}

static enum outcome explain_failure(const SSL *tls, const struct server *server)
{
	long verdict = SSL_get_verify_mode(tls) == SSL_VERIFY_NONE ? X509_V_OK : SSL_get_verify_result(tls);
	if (verdict == X509_V_OK) {
		fprintf(stderr, "no TLS with %s\n", server->host);
		return NOT_NOW;
	}
	fprintf(stderr, "%s is not trusted: %s\n", server->host, X509_verify_cert_error_string(verdict));
	/* On a first boot it is the device's clock that is wrong. */
	return verdict == X509_V_ERR_CERT_NOT_YET_VALID || verdict == X509_V_ERR_CERT_HAS_EXPIRED ? NOT_NOW : UNTRUSTED;
}

static bool send_request(SSL *tls, const struct server *server, const char *path, const char *body)
{
	/* HTTP/1.0: the answer is not chunked, and ends with the connection. */
	static const char form[] = "%s %s HTTP/1.0\r\nHost: %s:%s\r\nContent-Type: application/json\r\n"
	                           "Content-Length: %zu\r\n\r\n%s";
	size_t length = body != NULL ? strlen(body) : 0;
	size_t room = sizeof form + sizeof *server + strlen(path) + length + 32;
	char *request = malloc(room);
	if (request == NULL)
		return false;
	int size = snprintf(request, room, form, body != NULL ? "POST" : "GET", path, server->host, server->port, length,
	                    body != NULL ? body : "");
	bool sent = size > 0 && (size_t)size < room && SSL_write(tls, request, size) == size;
	/* The claim may have been in it. */
	OPENSSL_cleanse(request, room);
	free(request);
	return sent;
}

static time_t monotonic_seconds(void)
{
	struct timespec now = { 0 };
	return clock_gettime(CLOCK_MONOTONIC, &now) == 0 ? now.tv_sec : 0;
}

/* The whole answer as a string; NULL where it does not end properly, in time and within bounds. */
static char *receive(SSL *tls)
{
	char *text = malloc(MAX_ANSWER + 1);
	size_t length = 0;
	time_t deadline = monotonic_seconds() + TIMEOUT_SECONDS;
	while (text != NULL && length < MAX_ANSWER && monotonic_seconds() < deadline) {
		int got = SSL_read(tls, text + length, (int)(MAX_ANSWER - length));
		if (got > 0) {
			length += (size_t)got;
			continue;
		}
		if (SSL_get_error(tls, got) != SSL_ERROR_ZERO_RETURN)
			break;
		text[length] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

static bool parse_answer(const char *text, struct answer *answer)
{
	const char *body = strstr(text, "\r\n\r\n");
	if (body == NULL || sscanf(text, "HTTP/1.%*1[01] %3d ", &answer->status) != 1)
		return false;
	answer->body = strdup(body + 4);
	return answer->body != NULL;
}

static enum outcome exchange(SSL *tls, const struct server *server, const char *path, const char *body,
                             struct answer *answer)
{
	if (SSL_connect(tls) != 1)
		return explain_failure(tls, server);
	char *text = send_request(tls, server, path, body) ? receive(tls) : NULL;
	bool parsed = text != NULL && parse_answer(text, answer);
	free(text);
	if (parsed)
		return DONE;
	fprintf(stderr, "no answer from %s\n", server->host);
	return NOT_NOW;
}

enum outcome https_ask(const struct server *server, enum trust trust, const char *path, const char *body,
                       struct answer *answer)
{
	*answer = (struct answer){ 0 };
	enum outcome outcome = NOT_NOW;
	SSL_CTX *context = create_context(trust);
	SSL *tls = context != NULL ? SSL_new(context) : NULL;
	int connection = tls != NULL ? open_socket(server) : -1;
	if (connection < 0)
		fprintf(stderr, "%s cannot be reached\n", server->host);
	else if (SSL_set_fd(tls, connection) == 1 && name_server(tls, server))
		outcome = exchange(tls, server, path, body, answer);
	SSL_free(tls);
	SSL_CTX_free(context);
	if (connection >= 0)
		(void)close(connection);
	ERR_clear_error();
	return outcome;
}
