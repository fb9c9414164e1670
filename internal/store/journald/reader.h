//go:build systemd && cgo

#ifndef EVENTSVC_JOURNALD_READER_H
#define EVENTSVC_JOURNALD_READER_H

#include "object.h"

#include <stddef.h>
#include <stdint.h>

// What is taken of each entry.
enum {
	EV_PLACES, // where it is, none of its fields
	EV_INDEX,  // and PODMAN_TIME, PODMAN_ID, PODMAN_NAME and _UID
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
	uint32_t now;       // it is of the boot that the machine is in
	uint32_t unused;
};

// Where a file of a journal is.
enum {
	EV_UNKNOWN,  // what comes next has not been looked for
	EV_AT_ENTRY, // at an entry that has not been handed out
	EV_AT_END,
};

// One file of a journal, as a journal of libsystemd.
struct ev_file {
	void *sd;
	int fd;          // as long as sd has the file
	struct ev_map map;
	uint64_t blocks; // of the file when it was opened
	int state;
	int tolerated; // it is damaged: what can be read before that is all there is
	struct ev_entry at;
	uint64_t expected, found; // entries of podman, when it is read as a whole
};

// A journal that is open. It is used by one thread alone.
struct ev_journal {
	struct ev_file *files, *chosen; // chosen: whose entry has not been handed out
	int nfiles;
	int has_last;
	struct ev_entry last; // the last that was chosen
	unsigned fills;       // how often it was read
	int unique;           // the file whose values are listed
	int failed;           // the file that -EUCLEAN is about
	int cut;              // a file was cut short under it: nothing that it says can be believed
	int of_podman;        // it looks for all entries of podman and for nothing else
	int whole;            // and is read from its head
	int has_boot;
	uint8_t boot[16]; // that the machine is in, for a journal of this host
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

// All return 0 or a negative error number; -EUCLEAN if libsystemd gave up a file that it had opened.

// Adds a file, of which it owns the descriptor if it returns 0.
int ev_open(struct ev_journal *j, int fd);
// The file that was added last may be damaged: it ends where libsystemd gives it up.
void ev_tolerate(struct ev_journal *j);
void ev_close(struct ev_journal *j);
// Returns how many entries a file lacks that was read as a whole, as the file itself counts them: libsystemd passes over what is
// damaged without a word.
uint64_t ev_lacking(struct ev_journal *j, int file);
int ev_match(struct ev_journal *j, const void *data, size_t length);
int ev_or(struct ev_journal *j);
int ev_and(struct ev_journal *j);
int ev_seek_head(struct ev_journal *j);
int ev_seek_tail(struct ev_journal *j);
// past says that the cursor is of another boot than the one that the machine is in.
int ev_seek_cursor(struct ev_journal *j, const char *cursor, int past);
// Entries of others than podman are left out, unless only their places are asked for.
int ev_fill(struct ev_journal *j, int back, uint32_t most, int what, size_t max_entry, void *buffer, size_t capacity, struct ev_fill *out);
// The values of a field, one file after the other, as ev_fill lays out fields; more is 1 while there are some.
int ev_unique(struct ev_journal *j, const char *field, int restart, void *buffer, size_t capacity, uint64_t *used, int *more);

#endif
