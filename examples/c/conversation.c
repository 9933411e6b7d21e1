#include "conversation.h"

#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "identity.h"
#include "reading.h"
#include "store.h"

#define SESSION_SECONDS (7 * 86400)
#define TURN_MS 500
#define PATIENCE_MS 20000
#define MAX_TOPIC 512

struct conversation {
	MQTTClient client;
	/* fleets/<fleet>/devices/<device> */
	char base[192];
};

static bool print_topic(char topic[MAX_TOPIC], const struct conversation *with, const char *rest)
{
	int size = snprintf(topic, MAX_TOPIC, "%s/%s", with->base, rest);
	return size > 0 && size < MAX_TOPIC;
}

/* Frees `payload`. True when the platform has stored it. */
static bool publish(struct conversation *with, const char *rest, char *payload)
{
	char topic[MAX_TOPIC];
	bool stored = false;
	MQTTClient_deliveryToken token = 0;
	if (payload != NULL && print_topic(topic, with, rest)) {
		MQTTResponse response =
			MQTTClient_publish5(with->client, topic, (int)strlen(payload), payload, 1, 0, NULL, &token);
		stored = response.reasonCode == MQTTREASONCODE_SUCCESS &&
		         MQTTClient_waitForCompletion(with->client, token, PATIENCE_MS) == MQTTCLIENT_SUCCESS;
		MQTTResponse_free(response);
	}
	if (stored)
		printf("published %s\n", payload);
	free(payload);
	return stored;
}

static bool obey(struct conversation *with, const char *topic, const MQTTClient_message *message)
{
	char prefix[MAX_TOPIC], rest[MAX_TOPIC];
	if (!print_topic(prefix, with, "commands/") || strncmp(topic, prefix, strlen(prefix)) != 0)
		return true;
	const char *command = topic + strlen(prefix);
	int size = snprintf(rest, sizeof rest, "events/commands/%s", command);
	if (size < 0 || (size_t)size >= sizeof rest || message->payloadlen < 0)
		return true;
	printf("command %s\n", command);
	return publish(with, rest, reading_answer(command, message->payload, (size_t)message->payloadlen));
}

/* Waits for a command, and not for long. False when the connection is lost. */
static bool listen_a_while(struct conversation *with)
{
	char *topic = NULL;
	int length = 0;
	MQTTClient_message *message = NULL;
	int result = MQTTClient_receive(with->client, &topic, &length, &message, TURN_MS);
	/* A topic with a NUL in it, which no broker lets through, would be TOPICNAME_TRUNCATED. */
	bool good = result == MQTTCLIENT_SUCCESS || result == MQTTCLIENT_TOPICNAME_TRUNCATED;
	if (good && message != NULL && result == MQTTCLIENT_SUCCESS)
		good = obey(with, topic, message);
	if (message != NULL)
		MQTTClient_freeMessage(&message);
	if (topic != NULL)
		MQTTClient_free(topic);
	return good && MQTTClient_isConnected(with->client);
}

static bool subscribe(struct conversation *with)
{
	char filter[MAX_TOPIC];
	if (!print_topic(filter, with, "commands/#"))
		return false;
	MQTTResponse response = MQTTClient_subscribe5(with->client, filter, 1, NULL, NULL);
	bool granted = response.reasonCode == MQTTREASONCODE_GRANTED_QOS_1;
	MQTTResponse_free(response);
	return granted;
}

static bool connect_to_broker(struct conversation *with)
{
	MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
	MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
	MQTTProperties properties = MQTTProperties_initializer;
	MQTTProperty expiry = { .identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL };
	expiry.value.integer4 = SESSION_SECONDS;
	tls.trustStore = ROOTS_FILE;
	tls.keyStore = CERTIFICATE_FILE;
	tls.privateKey = KEY_FILE;
	tls.enableServerCertAuth = 1;
	/* The name in the broker's certificate, too. */
	tls.verify = 1;
	options.ssl = &tls;
	options.keepAliveInterval = 60;
	/* The session is kept, so commands wait for a device that is away. */
	options.cleanstart = 0;
	if (MQTTProperties_add(&properties, &expiry) != 0)
		return false;
	MQTTResponse response = MQTTClient_connect5(with->client, &options, &properties, NULL);
	bool admitted = response.reasonCode == MQTTREASONCODE_SUCCESS;
	if (!admitted)
		fprintf(stderr, "the broker does not let this device in (%d)\n", response.reasonCode);
	MQTTResponse_free(response);
	MQTTProperties_free(&properties);
	return admitted;
}

static time_t monotonic_seconds(void)
{
	struct timespec now = { 0 };
	return clock_gettime(CLOCK_MONOTONIC, &now) == 0 ? now.tv_sec : 0;
}

static enum outcome talk(struct conversation *with, struct provisioner *provisioner, const struct pace *pace)
{
	time_t next_reading = monotonic_seconds();
	time_t next_question = next_reading + (time_t)pace->question_seconds;
	while (!ended) {
		if (!listen_a_while(with))
			return NOT_NOW;
		time_t now = monotonic_seconds();
		if (now >= next_reading) {
			next_reading = now + (time_t)pace->reading_seconds;
			if (!publish(with, "telemetry/c", reading_take()))
				return NOT_NOW;
		}
		if (now >= next_question) {
			bool renewed = false;
			enum outcome outcome = conversation_renew_if_wanted(provisioner, &renewed);
			if (renewed || outcome == REFUSED || outcome == UNTRUSTED)
				return outcome;
			next_question = now + (time_t)pace->question_seconds;
		}
	}
	return DONE;
}

/* mqtts://host:port, as Paho writes it. */
static bool print_broker(char *url, size_t room, const char *broker)
{
	static const char scheme[] = "mqtts://";
	if (strncmp(broker, scheme, strlen(scheme)) != 0)
		return false;
	int size = snprintf(url, room, "ssl://%s", broker + strlen(scheme));
	return size > 0 && (size_t)size < room;
}

enum outcome conversation_hold(const struct enrolment *enrolment, struct provisioner *provisioner, const struct pace *pace)
{
	char url[sizeof enrolment->broker];
	struct conversation with = { 0 };
	MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
	create.MQTTVersion = MQTTVERSION_5;
	int size = snprintf(with.base, sizeof with.base, "fleets/%s/devices/%s", enrolment->fleet, enrolment->device);
	if (size < 0 || (size_t)size >= sizeof with.base || !print_broker(url, sizeof url, enrolment->broker) ||
	    MQTTClient_createWithOptions(&with.client, url, enrolment->client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
	                                 &create) != MQTTCLIENT_SUCCESS)
		return NOT_NOW;
	enum outcome outcome = NOT_NOW;
	if (connect_to_broker(&with)) {
		if (subscribe(&with)) {
			printf("connected\n");
			outcome = talk(&with, provisioner, pace);
		}
		/* It may be gone already. */
		(void)MQTTClient_disconnect5(with.client, 1000, MQTTREASONCODE_SUCCESS, NULL);
	}
	MQTTClient_destroy(&with.client);
	return outcome;
}

enum outcome conversation_renew_if_wanted(struct provisioner *provisioner, bool *renewed)
{
	struct enrolment enrolment;
	bool wanted = false;
	*renewed = false;
	enum outcome outcome = provisioner_wants_renewal(provisioner, &wanted);
	if (outcome != DONE || !wanted)
		return outcome;
	outcome = provisioner_renew(provisioner);
	if (outcome != DONE)
		return outcome;
	*renewed = true;
	return enrolment_load(&enrolment) && identity_say("renewed", enrolment.device) ? DONE : NOT_NOW;
}
