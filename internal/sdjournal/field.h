//go:build systemd && cgo

#ifndef SDJOURNAL_FIELD_H
#define SDJOURNAL_FIELD_H

#include <stddef.h>
#include <stdint.h>

// A journal file in memory, and the place in its list of entries that was looked up last (systemd's JOURNAL_FILE_FORMAT, which is
// stable).
struct sdj_map {
	const uint8_t *base;
	uint64_t size;
	uint64_t array, index; // 0: none
};

// One field of an entry.
struct sdj_field {
	const uint8_t *data; // NAME=VALUE, NULL: it is compressed
	uint64_t length;     // when it is not compressed
};

// Calls found with each field of the entry of a number until that returns something other than 0, which it returns then. Returns
// -EBADMSG if the file has no such entry, or it is damaged.
int sdj_each_field(struct sdj_map *m, int fd, uint64_t seqnum, int (*found)(void *, const struct sdj_field *), void *data);

// Finds the first value of a field in a file, 0: there is none. Returns -EOPNOTSUPP if the file is too old.
int sdj_first_value(struct sdj_map *m, int fd, const char *name, size_t length, uint64_t *at);
// Returns a value, and where the next of the same field is, 0: there is none.
int sdj_value(struct sdj_map *m, int fd, uint64_t at, struct sdj_field *value, uint64_t *next);

// Gives back the memory of the file's pages that were looked at. They are read again when they are needed.
void sdj_release(struct sdj_map *m);
void sdj_unmap(struct sdj_map *m);

#endif
