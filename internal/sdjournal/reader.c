//go:build systemd && cgo

// Reads entries of the journal many at a time: calls from Go into C cost more than what they call. One call walks through hundreds
// of entries and copies the fields that are asked for into a buffer.
//
// Each file of the journal is opened by itself, and they are merged here. libsystemd merges, too, but it leaves out a file that
// it cannot open, and one that it stumbles over, without a word; of one file alone it can be told that it did.

#include "systemd.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int sdj_open(struct sdj_journal *j, int fd) {
	struct sdj_file *files = realloc(j->files, (size_t) (j->nfiles + 1) * sizeof *files);
	if (!files)
		return -ENOMEM;
	j->files = files;
	struct sdj_file *f = files + j->nfiles;
	memset(f, 0, sizeof *f);
	struct stat st;
	if (fstat(fd, &st) == 0)
		f->blocks = (uint64_t) st.st_blocks;
	sd_journal *opened = NULL;
	int r;
	SDJ_INSIDE(j, r, sdj_sd.open_files_fd(&opened, &fd, 1, 0));
	if (!opened)
		return r < 0 ? r : -EIO;
	f->sd = opened; // which owns the descriptor now
	f->fd = fd;
	j->nfiles++;
	sdj_sd.set_data_threshold(opened, 0); // else fields are cut at 64 KiB
	return 0;
}

void sdj_tolerate(struct sdj_journal *j) { j->files[j->nfiles - 1].tolerated = 1; }

void sdj_close(struct sdj_journal *j) {
	sdj_inside = j;
	for (int i = 0; i < j->nfiles; i++) {
		sdj_unmap(&j->files[i].map);
		sdj_sd.close(j->files[i].sd);
	}
	sdj_inside = NULL;
	free(j->files);
	j->files = NULL;
	j->nfiles = 0;
}

#define EACH_FILE(j, call) \
	do { \
		for (int i = 0; i < (j)->nfiles; i++) { \
			sd_journal *sd = (j)->files[i].sd; \
			int r = (call); \
			if (r < 0) \
				return r; \
		} \
		return 0; \
	} while (0)

int sdj_match(struct sdj_journal *j, const void *data, size_t length) { EACH_FILE(j, sdj_sd.add_match(sd, data, length)); }
int sdj_or(struct sdj_journal *j) { EACH_FILE(j, sdj_sd.add_disjunction(sd)); }
int sdj_and(struct sdj_journal *j) { EACH_FILE(j, sdj_sd.add_conjunction(sd)); }

// Reports whether libsystemd has given up a file. It has no size for it then, and has closed it.
static int given_up(struct sdj_file *f) {
	uint64_t usage;
	return sdj_sd.get_usage(f->sd, &usage) < 0 || (usage == 0 && f->blocks > 0);
}

uint64_t sdj_lacking(struct sdj_journal *j, int file) {
	const struct sdj_file *f = j->files + file;
	return j->whole && f->state == SDJ_AT_END && f->found < f->expected ? f->expected - f->found : 0;
}

// Forgets where the files are.
static void forget(struct sdj_journal *j) {
	j->chosen = NULL;
	j->has_last = j->whole = 0;
	for (int i = 0; i < j->nfiles; i++)
		j->files[i].state = SDJ_UNKNOWN;
}

int sdj_seek_head(struct sdj_journal *j) {
	forget(j);
	if ((j->whole = j->of_only))
		for (int i = 0; i < j->nfiles; i++) {
			j->files[i].expected = given_up(j->files + i) ? 0 : sdj_count(j->files[i].fd, &j->only);
			j->files[i].found = 0;
		}
	EACH_FILE(j, sdj_sd.seek_head(sd));
}

int sdj_seek_tail(struct sdj_journal *j) {
	forget(j);
	EACH_FILE(j, sdj_sd.seek_tail(sd));
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
static int place(struct sdj_file *f, struct sdj_entry *e) {
	char *text = NULL;
	memset(e, 0, sizeof *e);
	int r = sdj_sd.get_cursor(f->sd, &text);
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

// The order of the journal: by number if one journald numbered both, else by the clock since the boot if both are of one boot, else
// by the clock; but what is of the boot that the machine is in comes after all others, whatever its clock was then.
static int compare(const struct sdj_entry *a, const struct sdj_entry *b) {
#define BY(field) \
	if (a->field != b->field) \
		return a->field < b->field ? -1 : 1
	if (memcmp(a->source, b->source, sizeof a->source) == 0)
		BY(seqnum);
	int boot = memcmp(a->boot, b->boot, sizeof a->boot);
	if (boot == 0)
		BY(monotonic);
	BY(now);
	BY(realtime);
	if (boot == 0)
		BY(xor_hash);
	return boot;
#undef BY
}

// Moves one file on. An entry of which it cannot even be said where it is ends the file as one that libsystemd gives up does.
static int load(struct sdj_journal *j, struct sdj_file *f, int back) {
	int r = back ? sdj_sd.previous(f->sd) : sdj_sd.next(f->sd);
	if (r > 0 && (r = place(f, &f->at)) >= 0) {
		f->at.now = j->has_boot && memcmp(f->at.boot, j->boot, sizeof j->boot) == 0;
		f->state = SDJ_AT_ENTRY;
		f->found++;
		return 0;
	}
	if (r == -ENOMEM)
		return r;
	if (!f->tolerated && (r < 0 || given_up(f))) {
		j->failed = (int) (f - j->files);
		return -EUCLEAN;
	}
	f->state = SDJ_AT_END;
	return 0;
}

// Chooses the file whose entry is the next. Returns 1, or 0 at the end.
static int advance(struct sdj_journal *j, int back) {
	for (;;) {
		struct sdj_file *best = NULL;
		for (int i = 0; i < j->nfiles; i++) {
			struct sdj_file *f = j->files + i;
			if (f->state == SDJ_UNKNOWN) {
				int r = load(j, f, back);
				if (r < 0)
					return r;
			}
			if (f->state == SDJ_AT_ENTRY && (!best || (back ? compare(&f->at, &best->at) > 0 : compare(&f->at, &best->at) < 0)))
				best = f;
		}
		if (!best)
			return 0;
		best->state = SDJ_UNKNOWN;
		if (j->has_last && compare(&best->at, &j->last) == 0)
			continue; // a copy
		j->last = best->at;
		j->has_last = 1;
		j->chosen = best;
		return 1;
	}
}

// Puts a file at its entry of a number.
static int seek_number(struct sdj_file *f, const struct sdj_entry *at) {
	char text[64], *p = text + sprintf(text, "s=");
	for (int i = 0; i < 16; i++)
		p += sprintf(p, "%02x", at->source[i]);
	sprintf(p, ";i=%llx", (unsigned long long) at->seqnum);
	return sdj_sd.seek_cursor(f->sd, text);
}

// Puts a file that does not have the entry behind a place of an earlier boot. By the clock libsystemd would pass over what
// the present boot wrote before its clock was set.
static int seek_across(struct sdj_journal *j, struct sdj_file *f, const char *cursor) {
	int r = sdj_sd.next(f->sd);
	struct sdj_entry clock, boot;
	if (r < 0)
		return 0; // told when it is read
	int by_clock = r > 0 && place(f, &clock) >= 0;
	sd_id128_t id;
	memcpy(id.bytes, j->boot, sizeof id.bytes);
	if ((r = sdj_sd.seek_monotonic(f->sd, id, 0)) < 0)
		return r;
	int by_boot = sdj_sd.next(f->sd) > 0 && place(f, &boot) >= 0 && memcmp(boot.boot, j->boot, sizeof j->boot) == 0;
	if (by_boot && (!by_clock || boot.seqnum < clock.seqnum))
		return seek_number(f, &boot);
	return sdj_sd.seek_cursor(f->sd, cursor);
}

int sdj_seek_cursor(struct sdj_journal *j, const char *cursor, int past) {
	forget(j);
	for (int i = 0; i < j->nfiles; i++) {
		int r = sdj_sd.seek_cursor(j->files[i].sd, cursor);
		if (r >= 0 && past && j->has_boot)
			SDJ_INSIDE(j, r, seek_across(j, j->files + i, cursor));
		if (r < 0)
			return r;
	}
	return 0;
}

static int begins(const char *data, size_t length, const char *prefix, size_t n) {
	return length >= n && memcmp(data, prefix, n) == 0;
}

// Returns the number of the beginning that a field has, from 1 on; 0: none.
static int wanted(const char *beginnings, const char *data, size_t length) {
	int i = 1;
	for (size_t n; (n = strlen(beginnings)); beginnings += n + 1, i++)
		if (length && *data == *beginnings && begins(data, length, beginnings, n))
			return i;
	return 0;
}

// Returns the bits of the beginnings if all are whole names, which an entry has once.
static uint64_t all_names(const char *beginnings) {
	uint64_t all = 0;
	int i = 1;
	for (size_t n; (n = strlen(beginnings)); beginnings += n + 1, i++) {
		if (beginnings[n - 1] != '=' || i >= 64)
			return UINT64_MAX;
		all |= 1ull << i;
	}
	return all;
}

// A buffer that is being filled. What does not fit is only counted.
struct out {
	uint8_t *at, *end;
	size_t size;
	uint32_t fields;
	const char *wanted;
	const struct sdj_match *only;
	int matches;         // it has that field
	uint64_t found; // bits of the beginnings that it has
	int packed;          // a field is compressed
	uint64_t compressed; // bytes of those, and of what is too long by itself
	uint64_t max_entry;
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

static void take(struct out *o, const void *data, size_t length) {
	if (length == o->only->length && memcmp(data, o->only->data, length) == 0)
		o->matches = 1;
	int i = wanted(o->wanted, data, length);
	if (i) {
		put(o, data, length);
		o->found |= 1ull << i % 64;
	}
}

// Takes a field that is not compressed. What is to be decompressed counts whole, also if it is not wanted.
static int look_at_field(void *data, const struct sdj_field *field) {
	struct out *o = data;
	if (field->data && field->length <= o->max_entry)
		take(o, field->data, field->length);
	else if (field->data)
		o->compressed += wanted(o->wanted, (const char *) field->data, field->length) ? field->length : 0;
	else
		o->compressed = field->length > o->max_entry ? o->max_entry + 1 : o->compressed + field->length + SDJ_PACKED_COST, o->packed = 1;
	return o->compressed + o->size > o->max_entry;
}

// Returns 1 if the entry is too long.
static int copy_fields(struct sdj_file *f, struct out *o) {
	const struct out before = *o;
	int r = sdj_each_field(&f->map, f->fd, f->at.seqnum, look_at_field, o);
	if (r != 0 || !o->packed || (o->matches && o->found == all_names(o->wanted)))
		return r;
	// What the buffer has no room for is not decompressed in vain.
	if (o->matches && o->size + o->compressed > (size_t) (before.end - before.at)) {
		o->size += o->compressed;
		return 0;
	}
	*o = before;
	const void *data;
	size_t length;
	sdj_sd.restart_data(f->sd);
	while ((r = sdj_sd.enumerate_data(f->sd, &data, &length)) > 0)
		take(o, data, length);
	return r;
}

static int fill(struct sdj_journal *j, int back, uint32_t most, const char *fields_wanted, size_t max_entry, void *buffer, size_t capacity, struct sdj_fill *out) {
	memset(out, 0, sizeof *out);
	// Those of others count, too: one call is not to walk through the whole journal.
	for (uint32_t visited = 0; visited < most; visited++) {
		uint8_t *start = (uint8_t *) buffer + out->used;
		size_t left = capacity - out->used;
		if (left < sizeof(struct sdj_entry)) {
			out->need = sizeof(struct sdj_entry);
			break;
		}
		if (!j->chosen) {
			int r = advance(j, back);
			if (r < 0)
				return r;
			if (r == 0) {
				out->end = 1;
				break;
			}
		}
		struct sdj_entry *e = (struct sdj_entry *) start;
		*e = j->chosen->at;
		struct out fields = {.at = start + sizeof *e, .end = start + left, .wanted = fields_wanted, .only = &j->only, .matches = !j->only.length, .max_entry = max_entry};
		int r = !fields_wanted ? 0 : copy_fields(j->chosen, &fields);
		if (r == 0 && fields_wanted && !fields.matches) {
			j->chosen = NULL;
			continue;
		}
		size_t size = (sizeof *e + fields.size + 7) & ~(size_t) 7;
		e->nfields = fields.fields;
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			e->nfields = SDJ_DAMAGED;
			size = sizeof *e;
		} else if (r > 0) {
			e->nfields = SDJ_LONG;
			size = sizeof *e;
		} else if (size > left) {
			out->need = size;
			break;
		}
		e->size = (uint32_t) size;
		j->chosen = NULL;
		out->used += size;
		out->entries++;
	}
	return 0;
}

int sdj_fill(struct sdj_journal *j, int back, uint32_t most, const char *wanted, size_t max_entry, void *buffer, size_t capacity, struct sdj_fill *out) {
	int r;
	SDJ_INSIDE(j, r, fill(j, back, most, wanted, max_entry, buffer, capacity, out));
	const unsigned often = 16;
	if (++j->fills % often == 0)
		for (int i = 0; i < j->nfiles; i++)
			sdj_release(&j->files[i].map);
	return r;
}

static int unique(struct sdj_journal *j, const char *field, int restart, void *buffer, size_t capacity, uint64_t *used, int *more) {
	struct out o = {.at = buffer, .end = (uint8_t *) buffer + capacity};
	*used = 0;
	*more = 0;
	if (restart)
		j->unique = -1, j->unique_at = 0;
	for (;;) {
		while (j->unique_at) {
			struct sdj_file *f = j->files + j->unique;
			struct sdj_field value;
			uint64_t next;
			int r = sdj_value(&f->map, f->fd, j->unique_at, &value, &next);
			if (r < 0)
				return r;
			if (!value.data || value.length + sizeof(uint32_t) > capacity)
				return -EOPNOTSUPP; // it is not looked at
			if (value.length + sizeof(uint32_t) > (size_t) (o.end - o.at)) {
				*more = 1;
				return 0;
			}
			put(&o, value.data, value.length);
			*used = (uint64_t) (o.at - (uint8_t *) buffer);
			j->unique_at = next;
		}
		if (++j->unique >= j->nfiles)
			return 0;
		struct sdj_file *f = j->files + j->unique;
		int r = given_up(f) ? -EOPNOTSUPP : sdj_first_value(&f->map, f->fd, field, strlen(field), &j->unique_at);
		if (r < 0)
			return r;
	}
}

int sdj_unique(struct sdj_journal *j, const char *field, int restart, void *buffer, size_t capacity, uint64_t *used, int *more) {
	int r;
	SDJ_INSIDE(j, r, unique(j, field, restart, buffer, capacity, used, more));
	return r;
}
