//go:build systemd && cgo

#ifndef EVENTSVC_JOURNALD_READER_H
#define EVENTSVC_JOURNALD_READER_H

#include <stddef.h>
#include <stdint.h>

// What is taken of each entry.
enum {
	EV_PLACES, // where it is, none of its fields
	EV_INDEX,  // and PODMAN_TIME, PODMAN_ID and PODMAN_NAME
	EV_FIELDS, // and every field that an event is made of
};

// Values of nfields that are no count.
enum {
	EV_LONG = 0xffffffffu,    // the entry is longer than max_entry
	EV_DAMAGED = 0xfffffffeu, // the entry cannot be read
};

// One entry in a buffer. Behind it are its fields, each as the uint32 length of
// NAME=VALUE and these bytes; the whole takes size bytes, a multiple of eight.
struct ev_entry {
	uint32_t size;
	uint32_t nfields;
	uint64_t realtime;
	uint64_t monotonic;
	uint64_t seqnum;
	uint64_t xor_hash;
	uint8_t boot[16];
	uint8_t source[16]; // of the sequence numbers
};

// A journal that is open. It is used by one thread alone.
struct ev_journal {
	void *sd;
	int pending; // the entry under the read pointer has not been handed out
	int cut;     // a file was cut short under it: nothing that it says can be believed
};

// What one crossing yields.
struct ev_fill {
	uint32_t entries;
	uint32_t end;  // there are no more entries this way
	uint64_t used; // bytes of the buffer
	uint64_t need; // if there are no entries: as many bytes hold the next one
};

// Loads libsystemd. Returns NULL, or why it cannot be had.
const char *ev_load(void);

// All return 0 or a negative error number, those that look for something 1 if it is there.
int ev_open(struct ev_journal *j, const char *directory);
void ev_close(struct ev_journal *j);
int ev_match(struct ev_journal *j, const void *data, size_t length);
int ev_or(struct ev_journal *j);
int ev_and(struct ev_journal *j);
int ev_seek_head(struct ev_journal *j);
int ev_seek_tail(struct ev_journal *j);
int ev_seek_cursor(struct ev_journal *j, const char *cursor);
int ev_seek_realtime(struct ev_journal *j, uint64_t usec);
// Entries of others than podman are left out, unless only their places are asked for.
int ev_fill(struct ev_journal *j, int back, uint32_t most, int what, size_t max_entry, void *buffer, size_t capacity, struct ev_fill *out);
// The distinct values of a field, as ev_fill lays out fields; more is 1 while there are some.
int ev_unique(struct ev_journal *j, const char *field, int restart, void *buffer, size_t capacity, uint64_t *used, int *more);

// Sleeps again and again, so many times at the most, until the number of entries of one of the files, or the time of one of the
// directories, is another than sum says.
uint64_t ev_wait(const int *files, int nfiles, const int *directories, int ndirectories, long nanoseconds, int times, uint64_t sum);

#endif
