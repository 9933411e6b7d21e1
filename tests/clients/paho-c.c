/* One life of a device, by the Paho client for C; prints a line for each thing that happened.
 * paho-c <host> <port> <ca> <cert> <key> <device> <4|5> <first|again> */
#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int five;
static MQTTClient client;

static void check(int rc, const char *what)
{
	if (rc == MQTTCLIENT_SUCCESS)
		return;
	printf("failed %s %d\n", what, rc);
	exit(1);
}

static void publish(const char *topic, int qos)
{
	char payload[16];
	MQTTClient_message message = MQTTClient_message_initializer;
	MQTTClient_deliveryToken token;
	snprintf(payload, sizeof payload, "qos %d", qos);
	message.payload = payload;
	message.payloadlen = (int)strlen(payload);
	message.qos = qos;
	check(five ? (int)MQTTClient_publishMessage5(client, topic, &message, &token).reasonCode
	           : MQTTClient_publishMessage(client, topic, &message, &token), "publish");
	check(MQTTClient_waitForCompletion(client, token, 20000), "publish");
	printf("published %d\n", qos);
}

/* What the broker granted: a QoS, or 128 and more. */
static int subscribe(const char *filter)
{
	if (!five) {
		int qos = 1;
		int rc = MQTTClient_subscribeMany(client, 1, (char *const *)&filter, &qos);
		return rc == MQTTCLIENT_SUCCESS ? qos : rc;
	}
	MQTTResponse response = MQTTClient_subscribe5(client, filter, 1, NULL, NULL);
	int granted = response.reasonCode;
	MQTTResponse_free(response);
	return granted;
}

static void hear(void)
{
	char *topic = NULL;
	int length;
	MQTTClient_message *message = NULL;
	check(MQTTClient_receive(client, &topic, &length, &message, 20000), "receive");
	if (message == NULL)
		check(1, "receive in time");
	printf("command %.*s\n", message->payloadlen, (char *)message->payload);
	fflush(stdout);
	MQTTClient_freeMessage(&message);
	MQTTClient_free(topic);
}

static void connectAs(const char *ca, const char *cert, const char *key)
{
	MQTTClient_connectOptions four = MQTTClient_connectOptions_initializer;
	MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
	MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
	MQTTProperties properties = MQTTProperties_initializer;
	MQTTProperty expiry = { .identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = 3600 };
	if (!five)
		options = four;
	tls.trustStore = ca;
	tls.keyStore = cert;
	tls.privateKey = key;
	tls.verify = 1;
	options.ssl = &tls;
	options.MQTTVersion = five ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	if (five) {
		options.cleanstart = 0;
		MQTTProperties_add(&properties, &expiry);
		MQTTResponse response = MQTTClient_connect5(client, &options, &properties, NULL);
		check(response.reasonCode, "connect");
		MQTTResponse_free(response);
	} else {
		options.cleansession = 0;
		check(MQTTClient_connect(client, &options), "connect");
	}
	printf("connected 0 %d\n", options.returned.sessionPresent);
}

int main(int argc, char **argv)
{
	char url[256], topic[256];
	if (argc != 9)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	five = strcmp(argv[7], "5") == 0;
	snprintf(url, sizeof url, "ssl://%s:%s", argv[1], argv[2]);
	MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
	options.MQTTVersion = five ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	check(MQTTClient_createWithOptions(&client, url, argv[6], MQTTCLIENT_PERSISTENCE_NONE, NULL, &options), "create");
	connectAs(argv[3], argv[4], argv[5]);
	if (strcmp(argv[8], "first") == 0) {
		snprintf(topic, sizeof topic, "fleets/default/devices/%s/telemetry/paho", argv[6]);
		for (int qos = 0; qos <= 2; qos++)
			publish(topic, qos);
		printf("refused %d\n", subscribe("fleets/default/devices/somebody-else/commands/#"));
		snprintf(topic, sizeof topic, "fleets/default/devices/%s/commands/#", argv[6]);
		printf("granted %d\n", subscribe(topic));
	}
	hear();
	check(five ? MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL)
	           : MQTTClient_disconnect(client, 1000), "disconnect");
	MQTTClient_destroy(&client);
	return 0;
}
