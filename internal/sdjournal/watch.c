//go:build systemd && cgo

// Looks every few milliseconds whether a journal has something new that matches. journald writes to mapped memory, and announces that
// by truncating the file to its own size (IN_MODIFY), at most every 250 ms: to wait for that would be 125 ms late on average. It looks on a thread of C and wakes Go only when there is something, for a sleeping call into C has Go's
// scheduler look after it again and again, which costs more than the looking.
//
// It reads the number of entries that a file has with the field that is matched, at the place where the file keeps it (systemd's
// JOURNAL_FILE_FORMAT, which is stable).

#define _GNU_SOURCE // ppoll
#include "watch.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Places in the head of a file, and in a data object.
enum {
	FLAGS = 12,
	FILE_ID = 24,
	TABLE = 104, // of hashes: offset and size
	N_ENTRIES = 152,
	HEAD = 160,

	OBJECT_FLAGS = 1, // whether it is compressed
	OBJECT_SIZE = 8,
	OBJECT_NEXT = 24, // of the same hash
	OBJECT_ENTRIES = 56,
	OBJECT_PAYLOAD = 64,

	KEYED = 1 << 2, // flags
	COMPACT = 1 << 4,
};

struct file {
	int fd;
	uint64_t counter; // where the number is, 0: no entry that matches was there yet
	uint64_t entries; // of all, when that was looked for
	uint64_t number;
};

struct sdj_watch {
	pthread_t thread;
	int changed;     // eventfd to Go
	int control;     // eventfd from Go
	int active, end; // atomic
	struct sdj_match match;
	long interval;   // nanoseconds

	pthread_mutex_t lock; // of what follows
	struct file *files;
	int nfiles;
	int *directories;
	int ndirectories;
	uint64_t times; // of the directories
};

static uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static void sip_round(uint64_t v[4]) {
	v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
	v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

uint64_t sdj_hash(const uint8_t key[16], const void *data, size_t length) {
	uint64_t k[2], word;
	memcpy(k, key, sizeof k);
	uint64_t v[4] = {k[0] ^ 0x736f6d6570736575u, k[1] ^ 0x646f72616e646f6du, k[0] ^ 0x6c7967656e657261u, k[1] ^ 0x7465646279746573u};
	for (size_t i = 0; i <= length; i += 8) {
		size_t rest = length - i;
		word = rest < 8 ? (uint64_t) length << 56 : 0;
		memcpy(&word, (const uint8_t *) data + i, rest < 8 ? rest : 8);
		v[3] ^= word;
		sip_round(v), sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static int get(int fd, void *to, size_t size, uint64_t at) { return pread(fd, to, size, (off_t) at) == (ssize_t) size; }

static uint64_t number_in(const uint8_t *b) {
	uint64_t n;
	memcpy(&n, b, sizeof n);
	return n;
}

// Looks for the place where the file counts the entries that match.
static void find_counter(struct file *f, const struct sdj_match *m, const uint8_t head[HEAD]) {
	uint32_t flags;
	memcpy(&flags, head + FLAGS, sizeof flags);
	if (!(flags & KEYED) || !m->length) {
		f->counter = N_ENTRIES; // all are wanted, or it is an older file with another hash
		return;
	}
	uint64_t buckets = number_in(head + TABLE + 8) / 16, at;
	if (!buckets || !get(f->fd, &at, sizeof at, number_in(head + TABLE) + sdj_hash(head + FILE_ID, m->data, m->length) % buckets * 16))
		return;
	const uint64_t payload = OBJECT_PAYLOAD + (flags & COMPACT ? 8 : 0);
	uint8_t object[OBJECT_PAYLOAD + 8 + SDJ_MATCH];
	for (int i = 0; at && i < 1000; i++) {
		if (!get(f->fd, object, payload + m->length, at))
			return;
		if (!object[OBJECT_FLAGS] && number_in(object + OBJECT_SIZE) == payload + m->length &&
			memcmp(object + payload, m->data, m->length) == 0) {
			f->counter = at + OBJECT_ENTRIES;
			return;
		}
		at = number_in(object + OBJECT_NEXT);
	}
}

uint64_t sdj_count(int fd, const struct sdj_match *m) {
	struct file f = {.fd = fd};
	uint8_t head[HEAD];
	uint64_t n;
	if (get(fd, head, sizeof head, 0))
		find_counter(&f, m, head);
	return f.counter && f.counter != N_ENTRIES && get(fd, &n, sizeof n, f.counter) ? n : 0;
}

// Reports whether there is something new in the file.
static int look_at(struct file *f, const struct sdj_match *m) {
	uint64_t n;
	if (!f->counter) {
		uint8_t head[HEAD];
		if (!get(f->fd, &n, sizeof n, N_ENTRIES) || n == f->entries || !get(f->fd, head, sizeof head, 0))
			return 0;
		find_counter(f, m, head);
		f->entries = n;
	}
	if (!f->counter || !get(f->fd, &n, sizeof n, f->counter) || n == f->number)
		return 0;
	f->number = n;
	return 1;
}

static int look_at_all(struct sdj_watch *w) {
	int new = 0;
	for (int i = 0; i < w->nfiles; i++)
		new |= look_at(w->files + i, &w->match);
	uint64_t times = 0;
	struct stat st;
	for (int i = 0; i < w->ndirectories; i++)
		if (fstat(w->directories[i], &st) == 0)
			times += (uint64_t) st.st_mtim.tv_sec * 1000000007u + (uint64_t) st.st_mtim.tv_nsec;
	if (times != w->times) {
		w->times = times;
		new = 1;
	}
	return new;
}

// How many rounds after a change Go is woken once more: journald counts an entry before it has linked it to all the lists that it
// is found by, and may be held up in between. Once a second it is woken anyway.
static const int again[] = {2, 20};
enum { AGAIN = sizeof again / sizeof *again };
static const long second = 1000000000;

static void *work(void *data) {
	struct sdj_watch *w = data;
	int round = 0;
	while (!__atomic_load_n(&w->end, __ATOMIC_SEQ_CST)) {
		struct timespec timeout = {.tv_sec = w->interval / second, .tv_nsec = w->interval % second};
		struct pollfd poke = {.fd = w->control, .events = POLLIN};
		int active = __atomic_load_n(&w->active, __ATOMIC_SEQ_CST);
		int poked = ppoll(&poke, 1, active ? &timeout : NULL, NULL) > 0;
		uint64_t n;
		if (poked && read(w->control, &n, sizeof n) < 0)
			poked = 0;
		int wake = poked;
		if (active) {
			pthread_mutex_lock(&w->lock);
			int new = look_at_all(w);
			pthread_mutex_unlock(&w->lock);
			round = new ? 0 : round + 1;
			wake |= new || round % (int) (second / w->interval + 1) == 0;
			for (int i = 0; i < AGAIN; i++)
				wake |= round == again[i];
		}
		if (wake) {
			n = 1;
			(void) !write(w->changed, &n, sizeof n);
		}
	}
	return NULL;
}

static void release(struct sdj_watch *w) {
	for (int i = 0; i < w->nfiles; i++)
		close(w->files[i].fd);
	for (int i = 0; i < w->ndirectories; i++)
		close(w->directories[i]);
	free(w->files);
	free(w->directories);
	w->files = NULL;
	w->directories = NULL;
	w->nfiles = w->ndirectories = 0;
}

struct sdj_watch *sdj_watch_start(int changed, long interval, const struct sdj_match *match) {
	struct sdj_watch *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->changed = changed;
	w->interval = interval;
	w->match = *match;
	pthread_mutex_init(&w->lock, NULL);
	w->control = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	// Go's signals are none of this thread's.
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = w->control < 0 ? -1 : pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		return w;
	if (w->control >= 0)
		close(w->control);
	free(w);
	return NULL;
}

static void poke(struct sdj_watch *w) {
	const uint64_t n = 1;
	(void) !write(w->control, &n, sizeof n);
}

void sdj_watch_end(struct sdj_watch *w) {
	__atomic_store_n(&w->end, 1, __ATOMIC_SEQ_CST);
	poke(w);
	pthread_join(w->thread, NULL);
	release(w);
	close(w->control);
	free(w);
}

void sdj_watch_set(struct sdj_watch *w, const int *files, int nfiles, const int *directories, int ndirectories) {
	pthread_mutex_lock(&w->lock);
	release(w);
	w->files = calloc((size_t) nfiles + 1, sizeof *w->files);
	w->directories = calloc((size_t) ndirectories + 1, sizeof *w->directories);
	for (int i = 0; i < nfiles; i++)
		if (w->files)
			w->files[w->nfiles++].fd = files[i];
		else
			close(files[i]);
	for (int i = 0; i < ndirectories; i++)
		if (w->directories)
			w->directories[w->ndirectories++] = directories[i];
		else
			close(directories[i]);
	pthread_mutex_unlock(&w->lock);
}

void sdj_watch_poke(struct sdj_watch *w, int active) {
	__atomic_store_n(&w->active, active, __ATOMIC_SEQ_CST);
	poke(w);
}
