//go:build systemd && cgo

// Looks at the fields of an entry where the file keeps them. libsystemd has no call that says how long a compressed field is before
// it is decompressed, whatever sd_journal_set_data_threshold(3) was given: a sender's 50 kB would become 768 MB here.

#define _GNU_SOURCE
#include "field.h"
#include "watch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	// Of the head of the file.
	FLAGS = 12,
	FILE_ID = 24,
	FIELD_TABLE = 120, // of hashes: offset and size
	ENTRY_ARRAY = 176,
	HEAD = 208,
	KEYED = 1 << 2,
	COMPACT = 1 << 4,

	// Of every object.
	TYPE = 0,
	COMPRESSION = 1,
	SIZE = 8,
	OBJECT = 16,

	DATA_OBJECT = 1,
	NEXT_VALUE = 32, // of the same field
	DATA = 64, // where the payload begins, eight bytes later in compact files
	XZ = 1,
	LZ4 = 2,
	ZSTD = 4,

	FIELD_OBJECT = 2,
	NEXT_FIELD = 24, // of the same hash
	FIRST_VALUE = 32,
	NAME = 40,

	ENTRY_OBJECT = 3,
	SEQNUM = 16,
	ITEMS = 64,

	ARRAY_OBJECT = 6,
	NEXT_ARRAY = 16,
	ARRAY = 24,
};

static uint64_t u64(const uint8_t *b) {
	uint64_t n;
	memcpy(&n, b, sizeof n);
	return n;
}

static uint32_t u32(const uint8_t *b) {
	uint32_t n;
	memcpy(&n, b, sizeof n);
	return n;
}

void sdj_unmap(struct sdj_map *m) {
	if (m->base)
		munmap((void *) m->base, m->size);
	memset(m, 0, sizeof *m);
}

void sdj_release(struct sdj_map *m) {
	if (m->base)
		madvise((void *) m->base, m->size, MADV_DONTNEED);
}

// Maps the file as long as it is now.
static int map(struct sdj_map *m, int fd) {
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (m->base && (uint64_t) st.st_size <= m->size)
		return 0;
	sdj_unmap(m);
	if (st.st_size < HEAD)
		return -EBADMSG;
	void *base = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	m->base = base;
	m->size = (uint64_t) st.st_size;
	return 0;
}

// Returns the object of a type at a place, NULL if there is none.
static const uint8_t *object(const struct sdj_map *m, uint64_t at, int type, uint64_t least) {
	if (at < HEAD || at % 8 || at > m->size || m->size - at < OBJECT)
		return NULL;
	const uint8_t *o = m->base + at;
	uint64_t size = u64(o + SIZE);
	return o[TYPE] == type && size >= least && size <= m->size - at ? o : NULL;
}

static int compact(const struct sdj_map *m) { return (u32(m->base + FLAGS) & COMPACT) != 0; }

// The number of the entry that an array has at an index; the last number there is if it has none there.
static uint64_t number_at(const struct sdj_map *m, const uint8_t *array, uint64_t i, const uint8_t **entry) {
	uint64_t at = compact(m) ? u32(array + ARRAY + 4 * i) : u64(array + ARRAY + 8 * i);
	const uint8_t *o = at ? object(m, at, ENTRY_OBJECT, ITEMS) : NULL;
	if (entry)
		*entry = o;
	return o ? u64(o + SEQNUM) : UINT64_MAX;
}

// Finds the entry of a number. The next is mostly near the one before.
static const uint8_t *find_entry(struct sdj_map *m, uint64_t seqnum) {
	uint64_t at = m->array, low = m->index;
	const uint8_t *array = at ? object(m, at, ARRAY_OBJECT, ARRAY) : NULL;
	if (!array || number_at(m, array, low, NULL) > seqnum) {
		at = u64(m->base + ENTRY_ARRAY);
		low = 0;
	}
	// Each array is longer than the one before: there are few.
	for (int n = 0; n < 1000 && (array = object(m, at, ARRAY_OBJECT, ARRAY)); n++, low = 0) {
		uint64_t count = (u64(array + SIZE) - ARRAY) / (compact(m) ? 4 : 8), next = u64(array + NEXT_ARRAY);
		if (next && count && number_at(m, array, count - 1, NULL) < seqnum) {
			at = next;
			continue;
		}
		uint64_t high = low;
		for (uint64_t step = 1; high < count && number_at(m, array, high, NULL) < seqnum; step *= 2) {
			low = high + 1;
			high = count - high > step ? high + step : count;
		}
		while (low < high) {
			uint64_t middle = low + (high - low) / 2;
			if (number_at(m, array, middle, NULL) < seqnum)
				low = middle + 1;
			else
				high = middle;
		}
		const uint8_t *entry;
		if (low >= count || number_at(m, array, low, &entry) != seqnum)
			return NULL;
		m->array = at;
		m->index = low;
		return entry;
	}
	return NULL;
}

// The length that a frame of zstd says that it has, UINT64_MAX if it says none: journald's do.
static uint64_t zstd_length(const uint8_t *b, uint64_t n) {
	static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd}, ids[] = {0, 1, 2, 4};
	if (n < sizeof magic + 1 || memcmp(b, magic, sizeof magic) != 0)
		return UINT64_MAX;
	uint8_t says = b[4];
	int single = says >> 5 & 1, width = says >> 6 ? 1 << (says >> 6) : single;
	uint64_t at = 5 + (single ? 0 : 1) + ids[says & 3], length = 0;
	if (!width || n < at + (uint64_t) width)
		return UINT64_MAX;
	memcpy(&length, b + at, (size_t) width);
	return width == 2 ? length + 256 : length;
}

static int xz_number(const uint8_t **b, const uint8_t *end, uint64_t *number) {
	*number = 0;
	for (int shift = 0; *b < end && shift < 63; shift += 7) {
		uint8_t c = *(*b)++;
		*number |= (uint64_t) (c & 0x7f) << shift;
		if (!(c & 0x80))
			return 1;
	}
	return 0;
}

// The length that the index at the end of an xz stream says that it has.
static uint64_t xz_length(const uint8_t *b, uint64_t n) {
	enum { STREAM_HEAD = 12, STREAM_FOOT = 12 };
	if (n < STREAM_HEAD + STREAM_FOOT || b[n - 2] != 'Y' || b[n - 1] != 'Z')
		return UINT64_MAX;
	uint64_t size = ((uint64_t) u32(b + n - 8) + 1) * 4;
	if (size > n - STREAM_HEAD - STREAM_FOOT)
		return UINT64_MAX;
	const uint8_t *end = b + n - STREAM_FOOT, *p = end - size;
	uint64_t records, packed, length = 0, all = 0;
	if (*p++ != 0 || !xz_number(&p, end, &records))
		return UINT64_MAX;
	for (; records; records--) {
		if (!xz_number(&p, end, &packed) || !xz_number(&p, end, &length) || length > UINT64_MAX - 1 - all)
			return UINT64_MAX;
		all += length;
	}
	return all;
}

static uint64_t length_of(int compression, const uint8_t *b, uint64_t n) {
	switch (compression) {
	case ZSTD: return zstd_length(b, n);
	case LZ4: return n >= 8 ? u64(b) : UINT64_MAX;
	case XZ: return xz_length(b, n);
	}
	return UINT64_MAX;
}

// Finds the field at a place. Returns its object, NULL if there is none.
static const uint8_t *value_at(const struct sdj_map *m, uint64_t at, struct sdj_field *field) {
	const uint64_t payload = DATA + (compact(m) ? 8 : 0);
	const uint8_t *o = object(m, at, DATA_OBJECT, payload);
	if (!o)
		return NULL;
	*field = (struct sdj_field) {.data = o + payload, .length = u64(o + SIZE) - payload};
	if (o[COMPRESSION]) {
		field->length = length_of(o[COMPRESSION], field->data, field->length);
		field->data = NULL;
	}
	return o;
}

int sdj_each_field(struct sdj_map *m, int fd, uint64_t seqnum, int (*found)(void *, const struct sdj_field *), void *data) {
	int r = m->base ? 0 : map(m, fd);
	if (r < 0)
		return r;
	const uint8_t *entry = find_entry(m, seqnum);
	if (!entry) { // the file may have grown
		if ((r = map(m, fd)) < 0)
			return r;
		if (!(entry = find_entry(m, seqnum)))
			return -EBADMSG;
	}
	const uint64_t item = compact(m) ? 4 : 16, count = (u64(entry + SIZE) - ITEMS) / item;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *place = entry + ITEMS + i * item;
		struct sdj_field field;
		if (!value_at(m, compact(m) ? u32(place) : u64(place), &field))
			return -EBADMSG;
		if ((r = found(data, &field)) != 0)
			return r;
	}
	return 0;
}

int sdj_first_value(struct sdj_map *m, int fd, const char *name, size_t length, uint64_t *first) {
	int r = map(m, fd);
	if (r < 0)
		return r;
	if (!(u32(m->base + FLAGS) & KEYED))
		return -EOPNOTSUPP;
	uint64_t table = u64(m->base + FIELD_TABLE), size = u64(m->base + FIELD_TABLE + 8);
	if (size < 16 || table > m->size || size > m->size - table)
		return -EBADMSG;
	*first = 0;
	uint64_t at = u64(m->base + table + sdj_hash(m->base + FILE_ID, name, length) % (size / 16) * 16);
	for (int i = 0; at && i < 1000; i++) {
		const uint8_t *o = object(m, at, FIELD_OBJECT, NAME);
		if (!o)
			return -EBADMSG;
		if (u64(o + SIZE) == NAME + length && memcmp(o + NAME, name, length) == 0) {
			*first = u64(o + FIRST_VALUE);
			break;
		}
		at = u64(o + NEXT_FIELD);
	}
	return 0;
}

int sdj_value(struct sdj_map *m, int fd, uint64_t at, struct sdj_field *value, uint64_t *next) {
	int r = at < m->size ? 0 : map(m, fd);
	if (r < 0)
		return r;
	const uint8_t *o = value_at(m, at, value);
	if (!o)
		return -EBADMSG;
	*next = u64(o + NEXT_VALUE);
	return 0;
}
