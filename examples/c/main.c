/* A device: enrols, publishes, answers commands and keeps its certificate renewed. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conversation.h"
#include "enrolment.h"
#include "identity.h"
#include "provisioner.h"
#include "store.h"

#define USAGE 64
#define MAX_CLAIM 256
#define MAX_PAUSE 300
#define STEADY_SECONDS 60

volatile sig_atomic_t ended = 0;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static bool watch_signals(void)
{
	struct sigaction ending = { .sa_handler = end };
	struct sigaction ignoring = { .sa_handler = SIG_IGN };
	return sigaction(SIGTERM, &ending, NULL) == 0 && sigaction(SIGINT, &ending, NULL) == 0 &&
	       /* A connection that the other side has closed is an error of write(). */
	       sigaction(SIGPIPE, &ignoring, NULL) == 0;
}

/* At random between half of it and all: a fleet that fails together must not come back together. */
static void pause_about(unsigned int seconds)
{
	unsigned int chance = 0;
	if (RAND_bytes((unsigned char *)&chance, sizeof chance) != 1)
		chance = 0;
	double pause = (double)seconds * (0.5 + (double)(chance % 1000) / 2000);
	struct timespec rest = { .tv_sec = (time_t)pause, .tv_nsec = (long)((pause - (double)(time_t)pause) * 1e9) };
	fprintf(stderr, "again in %.1f s\n", pause);
	/* A signal cuts it short. */
	(void)nanosleep(&rest, NULL);
}

typedef enum outcome attempt_once(struct provisioner *provisioner, const void *with);

/* Repeats what passes by itself, with growing pauses. */
static enum outcome persist(attempt_once *attempt, struct provisioner *provisioner, const void *with)
{
	unsigned int pause = 1;
	while (!ended) {
		time_t started = time(NULL);
		enum outcome outcome = attempt(provisioner, with);
		if (outcome != NOT_NOW)
			return outcome;
		if (time(NULL) - started > STEADY_SECONDS)
			pause = 1;
		/* Half of it at least: what the server asks for is waited out. */
		if (!ended)
			pause_about(provisioner->patience > 0 ? provisioner->patience * 2 : pause);
		pause = pause < MAX_PAUSE / 2 ? pause * 2 : MAX_PAUSE;
	}
	return NOT_NOW;
}

static enum outcome boot_once(struct provisioner *provisioner, const void *claim)
{
	enum outcome outcome = provisioner_pin_root(provisioner, claim);
	return outcome == DONE ? provisioner_enrol(provisioner, claim) : outcome;
}

static enum outcome enrol(struct provisioner *provisioner, int claim_file)
{
	char *claim = claim_file >= 0 ? store_read_open(claim_file, MAX_CLAIM) : NULL;
	if (claim == NULL) {
		fprintf(stderr, "the claim cannot be read\n");
		return NOT_NOW;
	}
	claim[strcspn(claim, "\r\n")] = '\0';
	enum outcome outcome = persist(boot_once, provisioner, claim);
	OPENSSL_cleanse(claim, strlen(claim));
	free(claim);
	return outcome;
}

static enum outcome live_once(struct provisioner *provisioner, const void *pace)
{
	struct enrolment enrolment;
	bool renewed = false;
	/* Asked before each connection: what is due is renewed first, and who is refused learns why. */
	enum outcome outcome = conversation_renew_if_wanted(provisioner, &renewed);
	if (outcome == REFUSED || outcome == UNTRUSTED)
		return outcome;
	return enrolment_load(&enrolment) ? conversation_hold(&enrolment, provisioner, pace) : NOT_NOW;
}

static enum outcome live(struct provisioner *provisioner, int claim_file, const struct pace *pace)
{
	struct enrolment enrolment;
	enum outcome outcome = DONE;
	provisioner->key = identity_open_key();
	if (provisioner->key == NULL)
		return NOT_NOW;
	if (!enrolment_load(&enrolment))
		outcome = enrol(provisioner, claim_file);
	if (outcome != DONE)
		return outcome;
	if (!enrolment_load(&enrolment) || !identity_say("enrolled", enrolment.device))
		return NOT_NOW;
	while (!ended && outcome == DONE)
		outcome = persist(live_once, provisioner, pace);
	return outcome;
}

/* False unless it is a whole number of seconds from 1 to a year. */
static bool parse_seconds(const char *text, unsigned int *seconds)
{
	char *rest = NULL;
	errno = 0;
	unsigned long parsed = strtoul(text, &rest, 10);
	if (errno != 0 || rest == text || *rest != '\0' || parsed < 1 || parsed > 366UL * 86400)
		return false;
	*seconds = (unsigned int)parsed;
	return true;
}

int main(int argc, char **argv)
{
	struct provisioner provisioner = { 0 };
	struct pace pace = { .reading_seconds = 10, .question_seconds = 3600 };
	if (argc < 4 || argc > 6 || !https_parse_url(argv[1], &provisioner.server) ||
	    (argc > 4 && !parse_seconds(argv[4], &pace.reading_seconds)) ||
	    (argc > 5 && !parse_seconds(argv[5], &pace.question_seconds))) {
		fprintf(stderr, "usage: muster-device https://<provisioner>:<port> <claim file> <directory> "
		                "[seconds between readings] [seconds between questions when to renew]\n");
		return USAGE;
	}
	/* Open before the directory changes; it may be gone after the first boot. */
	int claim_file = open(argv[2], O_RDONLY | O_CLOEXEC);
	umask(077);
	if ((mkdir(argv[3], 0700) != 0 && errno != EEXIST) || chdir(argv[3]) != 0 || !watch_signals() ||
	    setvbuf(stdout, NULL, _IOLBF, 0) != 0) {
		fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
		return NOT_NOW;
	}
	enum outcome outcome = live(&provisioner, claim_file, &pace);
	EVP_PKEY_free(provisioner.key);
	if (claim_file >= 0)
		(void)close(claim_file);
	return ended ? DONE : outcome;
}
