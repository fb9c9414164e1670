//go:build systemd && cgo

#ifndef EVENTSVC_JOURNALD_WATCH_H
#define EVENTSVC_JOURNALD_WATCH_H

#include <stdint.h>

// Returns how many entries of podman a journal file says that it has, 0 if that cannot be told.
uint64_t ev_count_podman(int fd);

struct ev_watch;

// Starts a thread that looks every so many nanoseconds at the files, while it is to, and adds to the eventfd when they may hold
// something new. Returns NULL if it cannot.
struct ev_watch *ev_watch_start(int eventfd, long interval);
// Ends the thread and frees what it holds.
void ev_watch_end(struct ev_watch *w);
// Says which files and directories it looks at. It owns the descriptors from then on.
void ev_watch_set(struct ev_watch *w, const int *files, int nfiles, const int *directories, int ndirectories);
// Says whether it is to look, and has it add to the eventfd at once.
void ev_watch_poke(struct ev_watch *w, int active);

#endif
