#include "reading.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ECHO 1024

/* Frees what could not be completed. */
static cJSON *complete(cJSON *json, bool is_complete)
{
	if (is_complete)
		return json;
	cJSON_Delete(json);
	return NULL;
}

static cJSON *measure(void)
{
	cJSON *reading = cJSON_CreateObject();
	double load = 0;
	bool added = getloadavg(&load, 1) == 1 && cJSON_AddNumberToObject(reading, "load", load) != NULL;
	FILE *zone = fopen("/sys/class/thermal/thermal_zone0/temp", "r");
	/* Virtual machines have none, and some sensors cannot be read at times. */
	if (zone != NULL) {
		long milli = 0;
		if (fscanf(zone, "%9ld", &milli) == 1)
			added = added && cJSON_AddNumberToObject(reading, "temperature", (double)milli / 1000) != NULL;
		(void)fclose(zone);
	}
	return complete(reading, added);
}

static char *print_and_free(cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);
	cJSON_Delete(json);
	return text;
}

char *reading_take(void)
{
	return print_and_free(measure());
}

static bool add_echo(cJSON *answer, const char *payload, size_t length)
{
	char echo[MAX_ECHO + 1];
	size_t size = length < MAX_ECHO ? length : MAX_ECHO;
	memcpy(echo, payload, size);
	echo[size] = '\0';
	return cJSON_AddStringToObject(answer, "echo", echo) != NULL;
}

char *reading_answer(const char *command, const char *payload, size_t length)
{
	cJSON *answer = cJSON_CreateObject();
	bool measures = strcmp(command, "measure") == 0;
	bool echoes = strcmp(command, "echo") == 0;
	bool added = cJSON_AddStringToObject(answer, "status", measures || echoes ? "done" : "unknown") != NULL;
	if (measures)
		added = added && cJSON_AddItemToObject(answer, "reading", measure());
	else if (echoes)
		added = added && add_echo(answer, payload, length);
	else
		added = added && cJSON_AddStringToObject(answer, "detail", "the commands are measure and echo") != NULL;
	return print_and_free(complete(answer, added));
}
