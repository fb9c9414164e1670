//go:build systemd && cgo

// Reads many entries of the journal per call. Each call from Go into C, and each into the journal for one field more, costs
// as much as a field is worth; so one call walks through hundreds of entries and copies what events are made of into a
// buffer. libsystemd is loaded when the first journal is opened: the program starts without it.

#include "reader.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

static struct {
	__typeof__(&sd_journal_open) open;
	__typeof__(&sd_journal_open_directory) open_directory;
	__typeof__(&sd_journal_close) close;
	__typeof__(&sd_journal_add_match) add_match;
	__typeof__(&sd_journal_add_disjunction) add_disjunction;
	__typeof__(&sd_journal_add_conjunction) add_conjunction;
	__typeof__(&sd_journal_next) next;
	__typeof__(&sd_journal_previous) previous;
	__typeof__(&sd_journal_seek_head) seek_head;
	__typeof__(&sd_journal_seek_tail) seek_tail;
	__typeof__(&sd_journal_seek_cursor) seek_cursor;
	__typeof__(&sd_journal_seek_realtime_usec) seek_realtime;
	__typeof__(&sd_journal_get_cursor) get_cursor;
	__typeof__(&sd_journal_enumerate_data) enumerate_data;
	__typeof__(&sd_journal_restart_data) restart_data;
	__typeof__(&sd_journal_set_data_threshold) set_data_threshold;
	__typeof__(&sd_journal_query_unique) query_unique;
	__typeof__(&sd_journal_enumerate_unique) enumerate_unique;
	__typeof__(&sd_journal_restart_unique) restart_unique;
} sd;

// journald gives the space of files that it removes back at once, also under those who have them open: where the file system
// knows no holes it cuts them, and who looks at a page of one then gets SIGBUS. The library leaves that to the program.
// The thread that is inside is given a page of zeros instead, and the journal counts as cut.
static _Thread_local struct ev_journal *inside;
static struct sigaction before;
static uintptr_t page_size;

static void on_sigbus(int number, siginfo_t *info, void *context) {
	if (inside && info->si_code > 0) {
		void *page = (void *) ((uintptr_t) info->si_addr & ~(page_size - 1));
		if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
			inside->cut = 1;
			return;
		}
	}
	if (before.sa_flags & SA_SIGINFO)
		before.sa_sigaction(number, info, context); // Go's
	else
		signal(number, SIG_DFL);
}

static const char *catch_sigbus(void) {
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	page_size = (uintptr_t) sysconf(_SC_PAGESIZE);
	sigfillset(&action.sa_mask);
	return sigaction(SIGBUS, &action, &before) < 0 ? "cannot catch SIGBUS" : NULL;
}

static void *symbol(void *lib, const char *name, const char *older) {
	void *f = dlsym(lib, name);
	return f || !older ? f : dlsym(lib, older);
}

const char *ev_load(void) {
	if (sd.open)
		return NULL;
	void *lib = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return dlerror();
#define LOAD(field, name, older) \
	if (!(sd.field = (__typeof__(sd.field)) symbol(lib, name, older))) { \
		sd.open = NULL; \
		return "libsystemd.so.0 has no " name; \
	}
	LOAD(open_directory, "sd_journal_open_directory", NULL)
	LOAD(close, "sd_journal_close", NULL)
	LOAD(add_match, "sd_journal_add_match", NULL)
	LOAD(add_disjunction, "sd_journal_add_disjunction", NULL)
	LOAD(add_conjunction, "sd_journal_add_conjunction", NULL)
	LOAD(next, "sd_journal_next", NULL)
	LOAD(previous, "sd_journal_previous", NULL)
	LOAD(seek_head, "sd_journal_seek_head", NULL)
	LOAD(seek_tail, "sd_journal_seek_tail", NULL)
	LOAD(seek_cursor, "sd_journal_seek_cursor", NULL)
	LOAD(seek_realtime, "sd_journal_seek_realtime_usec", NULL)
	LOAD(get_cursor, "sd_journal_get_cursor", NULL)
	// Before systemd 246 a field that this build cannot decompress ends the enumeration.
	LOAD(enumerate_data, "sd_journal_enumerate_available_data", "sd_journal_enumerate_data")
	LOAD(restart_data, "sd_journal_restart_data", NULL)
	LOAD(set_data_threshold, "sd_journal_set_data_threshold", NULL)
	LOAD(query_unique, "sd_journal_query_unique", NULL)
	LOAD(enumerate_unique, "sd_journal_enumerate_available_unique", "sd_journal_enumerate_unique")
	LOAD(restart_unique, "sd_journal_restart_unique", NULL)
	LOAD(open, "sd_journal_open", NULL)
#undef LOAD
	const char *reason = catch_sigbus();
	if (reason)
		sd.open = NULL;
	return reason;
}

// Runs what may look into files.
#define INSIDE(j, r, expression) \
	do { \
		inside = (j); \
		(r) = (expression); \
		inside = NULL; \
		if ((j)->cut) \
			(r) = -ESTALE; \
	} while (0)

int ev_open(struct ev_journal *j, const char *directory) {
	sd_journal *opened = NULL;
	int r;
	INSIDE(j, r, *directory ? sd.open_directory(&opened, directory, 0) : sd.open(&opened, SD_JOURNAL_LOCAL_ONLY));
	j->sd = opened;
	if (r < 0)
		return r;
	j->pending = 0;
	return sd.set_data_threshold(opened, 0); // else fields are cut at 64 KiB
}

void ev_close(struct ev_journal *j) {
	inside = j;
	sd.close(j->sd);
	inside = NULL;
	j->sd = NULL;
}

int ev_match(struct ev_journal *j, const void *data, size_t length) { return sd.add_match(j->sd, data, length); }
int ev_or(struct ev_journal *j) { return sd.add_disjunction(j->sd); }
int ev_and(struct ev_journal *j) { return sd.add_conjunction(j->sd); }

int ev_seek_head(struct ev_journal *j) {
	j->pending = 0;
	return sd.seek_head(j->sd);
}

int ev_seek_tail(struct ev_journal *j) {
	j->pending = 0;
	return sd.seek_tail(j->sd);
}

int ev_seek_cursor(struct ev_journal *j, const char *cursor) {
	j->pending = 0;
	return sd.seek_cursor(j->sd, cursor);
}

int ev_seek_realtime(struct ev_journal *j, uint64_t usec) {
	j->pending = 0;
	return sd.seek_realtime(j->sd, usec);
}

static int nibble(char c) {
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *parse_id(const char *p, uint8_t id[16]) {
	for (int i = 0; i < 16; i++) {
		int high = nibble(p[0]), low = high < 0 ? -1 : nibble(p[1]);
		if (low < 0)
			return NULL;
		id[i] = (uint8_t) (high << 4 | low);
		p += 2;
	}
	return p;
}

static const char *parse_number(const char *p, uint64_t *n) {
	*n = 0;
	for (int digit; (digit = nibble(*p)) >= 0; p++)
		*n = *n << 4 | (uint64_t) digit;
	return p;
}

// Where the present entry is. The cursor of the journal is the one place where all that orders entries is said.
static int place(struct ev_journal *j, struct ev_entry *e) {
	char *text = NULL;
	int r = sd.get_cursor(j->sd, &text);
	if (r < 0)
		return r;
	unsigned seen = 0;
	for (const char *p = text; p && p[0] && p[1] == '=';) {
		char key = *p;
		p += 2;
		switch (key) {
		case 's': p = parse_id(p, e->source); seen |= 1; break;
		case 'b': p = parse_id(p, e->boot); seen |= 2; break;
		case 'i': p = parse_number(p, &e->seqnum); seen |= 4; break;
		case 'm': p = parse_number(p, &e->monotonic); seen |= 8; break;
		case 't': p = parse_number(p, &e->realtime); seen |= 16; break;
		case 'x': p = parse_number(p, &e->xor_hash); seen |= 32; break;
		default: p = strchr(p, ';');
		}
		if (p && *p == ';')
			p++;
	}
	free(text);
	return seen == 63 ? 0 : -EBADMSG;
}

static int begins(const char *data, size_t length, const char *prefix, size_t n) {
	return length >= n && memcmp(data, prefix, n) == 0;
}

#define BEGINS(data, length, prefix) begins(data, length, prefix, sizeof(prefix) - 1)

static int wanted(const char *data, size_t length) {
	switch (length ? data[0] : 0) {
	case 'P': return BEGINS(data, length, "PODMAN_");
	case '_': return BEGINS(data, length, "_UID=") || BEGINS(data, length, "_HOSTNAME=");
	case 'E': return BEGINS(data, length, "ERROR=");
	}
	return 0;
}

static int indexed(const char *data, size_t length) {
	return BEGINS(data, length, "PODMAN_TIME=") || BEGINS(data, length, "PODMAN_ID=") || BEGINS(data, length, "PODMAN_NAME=");
}

// A buffer that is being filled. What does not fit is only counted.
struct out {
	uint8_t *at, *end;
	size_t size;
	uint32_t fields;
	int of_podman;
};

static void put(struct out *o, const void *data, size_t length) {
	size_t size = sizeof(uint32_t) + length;
	o->size += size;
	o->fields++;
	if (size > (size_t) (o->end - o->at)) {
		o->at = o->end;
		return;
	}
	uint32_t n = (uint32_t) length;
	memcpy(o->at, &n, sizeof n);
	memcpy(o->at + sizeof n, data, length);
	o->at += size;
}

static int copy_fields(struct ev_journal *j, int what, struct out *o) {
	const void *data;
	size_t length;
	int r;
	sd.restart_data(j->sd);
	while ((r = sd.enumerate_data(j->sd, &data, &length)) > 0)
		if (length == sizeof("SYSLOG_IDENTIFIER=podman") - 1 && BEGINS(data, length, "SYSLOG_IDENTIFIER=podman"))
			o->of_podman = 1;
		else if ((what == EV_INDEX ? indexed(data, length) : wanted(data, length)) && length <= UINT32_MAX)
			put(o, data, length);
	return r;
}

static int fill(struct ev_journal *j, int back, uint32_t most, int what, size_t max_entry, void *buffer, size_t capacity, struct ev_fill *out) {
	memset(out, 0, sizeof *out);
	// Those of others count, too: one call is not to walk through the whole journal.
	for (uint32_t visited = 0; visited < most; visited++) {
		uint8_t *start = (uint8_t *) buffer + out->used;
		size_t left = capacity - out->used;
		if (left < sizeof(struct ev_entry)) {
			out->need = sizeof(struct ev_entry);
			break;
		}
		if (!j->pending) {
			int r = back ? sd.previous(j->sd) : sd.next(j->sd);
			if (r < 0)
				return r;
			if (r == 0) {
				out->end = 1;
				break;
			}
			j->pending = 1;
		}
		struct ev_entry *e = (struct ev_entry *) start;
		memset(e, 0, sizeof *e);
		struct out fields = {.at = start + sizeof *e, .end = start + left};
		int r = place(j, e);
		if (r >= 0 && what != EV_PLACES)
			r = copy_fields(j, what, &fields);
		if (r >= 0 && what != EV_PLACES && !fields.of_podman) {
			j->pending = 0;
			continue;
		}
		size_t size = (sizeof *e + fields.size + 7) & ~(size_t) 7;
		e->nfields = fields.fields;
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			e->nfields = EV_DAMAGED;
			size = sizeof *e;
		} else if (size > max_entry) {
			e->nfields = EV_LONG;
			size = sizeof *e;
		} else if (size > left) {
			out->need = size;
			break;
		}
		e->size = (uint32_t) size;
		j->pending = 0;
		out->used += size;
		out->entries++;
	}
	return 0;
}

int ev_fill(struct ev_journal *j, int back, uint32_t most, int what, size_t max_entry, void *buffer, size_t capacity, struct ev_fill *out) {
	int r;
	INSIDE(j, r, fill(j, back, most, what, max_entry, buffer, capacity, out));
	return r;
}

static int unique(struct ev_journal *j, const char *field, int restart, void *buffer, size_t capacity, uint64_t *used, int *more) {
	const void *data;
	size_t length;
	int r;
	*used = 0;
	*more = 0;
	if (restart) {
		if ((r = sd.query_unique(j->sd, field)) < 0)
			return r;
		sd.restart_unique(j->sd);
	}
	struct out o = {.at = buffer, .end = (uint8_t *) buffer + capacity};
	// A value that might not fit is not asked for: what was asked for cannot be put back. Long ones are none of ours.
	const size_t longest = 4096;
	while ((size_t) (o.end - o.at) > longest + sizeof(uint32_t)) {
		if ((r = sd.enumerate_unique(j->sd, &data, &length)) <= 0) {
			*used = (uint64_t) (o.at - (uint8_t *) buffer);
			return r;
		}
		if (length <= longest)
			put(&o, data, length);
	}
	*used = (uint64_t) (o.at - (uint8_t *) buffer);
	*more = 1;
	return 0;
}

int ev_unique(struct ev_journal *j, const char *field, int restart, void *buffer, size_t capacity, uint64_t *used, int *more) {
	int r;
	INSIDE(j, r, unique(j, field, restart, buffer, capacity, used, more));
	return r;
}

static uint64_t sum_up(const int *files, int nfiles, const int *directories, int ndirectories) {
	uint64_t sum = 0, n;
	const off_t n_entries = 152; // in the head of a journal file
	for (int i = 0; i < nfiles; i++)
		if (pread(files[i], &n, sizeof n, n_entries) == sizeof n)
			sum += n;
	struct stat st;
	for (int i = 0; i < ndirectories; i++)
		if (fstat(directories[i], &st) == 0)
			sum += (uint64_t) st.st_mtim.tv_sec * 1000000007u + (uint64_t) st.st_mtim.tv_nsec;
	return sum;
}

uint64_t ev_wait(const int *files, int nfiles, const int *directories, int ndirectories, long nanoseconds, int times, uint64_t sum) {
	uint64_t now = sum;
	for (int i = 0; i < times && now == sum; i++) {
		struct timespec t = {.tv_nsec = nanoseconds};
		nanosleep(&t, NULL);
		now = sum_up(files, nfiles, directories, ndirectories);
	}
	return now;
}
