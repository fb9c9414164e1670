//go:build systemd && cgo

#ifndef SDJOURNAL_READER_H
#define SDJOURNAL_READER_H

#include "field.h"
#include "watch.h"

#include <stddef.h>
#include <stdint.h>

// Values of nfields that are no count.
enum {
	SDJ_LONG = 0xffffffffu,    // the entry is longer than max_entry
	SDJ_DAMAGED = 0xfffffffeu, // the entry cannot be read
};

// What a compressed field counts beyond its length: libsystemd takes some 20 us to begin with one, as long as these bytes take it.
enum { SDJ_PACKED_COST = 16 << 10 };

// One entry in a buffer. Behind it are its fields, each as the uint32 length of
// NAME=VALUE and these bytes; the whole takes size bytes, a multiple of eight.
struct sdj_entry {
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
	SDJ_UNKNOWN,  // what comes next has not been looked for
	SDJ_AT_ENTRY, // at an entry that has not been handed out
	SDJ_AT_END,
};

// One file of a journal, as a journal of libsystemd.
struct sdj_file {
	void *sd;
	int fd;          // as long as sd has the file
	struct sdj_map map;
	uint64_t blocks; // of the file when it was opened
	int state;
	int tolerated; // it is damaged: what can be read before that is all there is
	struct sdj_entry at;
	uint64_t expected, found; // entries that match, when it is read as a whole
};

// A journal that is open. It is used by one thread alone.
struct sdj_journal {
	struct sdj_file *files, *chosen; // chosen: whose entry has not been handed out
	int nfiles;
	int has_last;
	struct sdj_entry last; // the last that was chosen
	unsigned fills;       // how often it was read
	int unique;           // the file whose values are listed
	uint64_t unique_at;   // and where the next one is
	int failed;           // the file that -EUCLEAN is about
	int cut;              // a file was cut short under it: nothing that it says can be believed
	struct sdj_match only; // a field that every entry that is read has
	int of_only;          // it looks for all entries with that and for nothing else
	int whole;            // and is read from its head
	int has_boot;
	uint8_t boot[16]; // that the machine is in, for a journal of this host
};

// What one crossing yields.
struct sdj_fill {
	uint32_t entries;
	uint32_t end;  // there are no more entries this way
	uint64_t used; // bytes of the buffer
	uint64_t need; // if there are no entries: as many bytes hold the next one
};

// Loads libsystemd. Returns NULL, or why it cannot be had.
const char *sdj_load(void);

// All return 0 or a negative error number; -EUCLEAN if libsystemd gave up a file that it had opened.

// Adds a file, of which it owns the descriptor if it returns 0.
int sdj_open(struct sdj_journal *j, int fd);
// The file that was added last may be damaged: it ends where libsystemd gives it up.
void sdj_tolerate(struct sdj_journal *j);
void sdj_close(struct sdj_journal *j);
// Returns how many entries a file lacks that was read as a whole, as the file itself counts them: libsystemd passes over what is
// damaged without a word.
uint64_t sdj_lacking(struct sdj_journal *j, int file);
int sdj_match(struct sdj_journal *j, const void *data, size_t length);
int sdj_or(struct sdj_journal *j);
int sdj_and(struct sdj_journal *j);
int sdj_seek_head(struct sdj_journal *j);
int sdj_seek_tail(struct sdj_journal *j);
// past says that the cursor is of another boot than the one that the machine is in.
int sdj_seek_cursor(struct sdj_journal *j, const char *cursor, int past);
// Takes the fields that begin with one of the strings in a list, which an empty one ends. Entries without the field that all have are
// left out then. NULL: only the places are taken.
int sdj_fill(struct sdj_journal *j, int back, uint32_t most, const char *wanted, size_t max_entry, void *buffer, size_t capacity, struct sdj_fill *out);
// The values of a field, one file after the other, as sdj_fill lays out fields; more is 1 while there are some.
int sdj_unique(struct sdj_journal *j, const char *field, int restart, void *buffer, size_t capacity, uint64_t *used, int *more);

#endif
