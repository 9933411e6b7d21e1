#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool store_has(const char *name)
{
	return access(name, F_OK) == 0;
}

static bool write_all(int file, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(file, data, length);
		if (written < 0) {
			if (errno == EINTR)
				continue;
			return false;
		}
		data += written;
		length -= (size_t)written;
	}
	return true;
}

static bool write_synced(const char *name, const void *data, size_t length)
{
	int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		return false;
	bool written = write_all(file, data, length) && fsync(file) == 0;
	return close(file) == 0 && written;
}

static bool sync_directory(void)
{
	int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return false;
	bool synced = fsync(directory) == 0;
	return close(directory) == 0 && synced;
}

bool store_write(const char *name, const void *data, size_t length)
{
	char draft[64];
	int size = snprintf(draft, sizeof draft, "%s.new", name);
	if (size < 0 || (size_t)size >= sizeof draft)
		return false;
	if (write_synced(draft, data, length) && rename(draft, name) == 0 && sync_directory())
		return true;
	fprintf(stderr, "%s cannot be written: %s\n", name, strerror(errno));
	return false;
}

char *store_read_open(int file, size_t limit)
{
	char *text = malloc(limit + 1);
	size_t length = 0;
	while (text != NULL) {
		/* A byte more than what fits would be too much. */
		ssize_t got = read(file, text + length, limit + 1 - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0) {
			text[length] = '\0';
			return text;
		}
		length += got > 0 ? (size_t)got : 0;
		if (got < 0 || length > limit)
			break;
	}
	free(text);
	return NULL;
}

char *store_read(const char *name, size_t limit)
{
	int file = open(name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return NULL;
	char *text = store_read_open(file, limit);
	(void)close(file); /* Nothing was written. */
	return text;
}
