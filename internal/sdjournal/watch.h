//go:build systemd && cgo

#ifndef SDJOURNAL_WATCH_H
#define SDJOURNAL_WATCH_H

#include <stddef.h>
#include <stdint.h>

enum { SDJ_MATCH = 256 };

// A field, NAME=VALUE.
struct sdj_match {
	size_t length; // 0: none
	char data[SDJ_MATCH];
};

// Returns the hash of some bytes in a file with keyed hashes: SipHash-2-4 with its ID.
uint64_t sdj_hash(const uint8_t id[16], const void *data, size_t length);

// Returns how many entries with a field a journal file says that it has, 0 if that is not known.
uint64_t sdj_count(int fd, const struct sdj_match *m);

struct sdj_watch;

// Starts a thread that looks every so many nanoseconds at the files, while it is to, and adds to the eventfd when they may hold
// something new. Returns NULL if it cannot.
struct sdj_watch *sdj_watch_start(int eventfd, long interval, const struct sdj_match *match);
// Ends the thread and frees what it holds.
void sdj_watch_end(struct sdj_watch *w);
// Says which files and directories it looks at. It owns the descriptors from then on.
void sdj_watch_set(struct sdj_watch *w, const int *files, int nfiles, const int *directories, int ndirectories);
// Says whether it is to look, and has it add to the eventfd at once.
void sdj_watch_poke(struct sdj_watch *w, int active);

#endif
