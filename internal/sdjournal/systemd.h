//go:build systemd && cgo

#ifndef SDJOURNAL_SYSTEMD_H
#define SDJOURNAL_SYSTEMD_H

#include "reader.h"

#include <errno.h>
#include <systemd/sd-journal.h>

// The functions of libsystemd, once sdj_load has found them.
struct sdj_systemd {
	__typeof__(&sd_journal_open_files_fd) open_files_fd;
	__typeof__(&sd_journal_close) close;
	__typeof__(&sd_journal_add_match) add_match;
	__typeof__(&sd_journal_add_disjunction) add_disjunction;
	__typeof__(&sd_journal_add_conjunction) add_conjunction;
	__typeof__(&sd_journal_next) next;
	__typeof__(&sd_journal_previous) previous;
	__typeof__(&sd_journal_seek_head) seek_head;
	__typeof__(&sd_journal_seek_tail) seek_tail;
	__typeof__(&sd_journal_seek_cursor) seek_cursor;
	__typeof__(&sd_journal_seek_monotonic_usec) seek_monotonic;
	__typeof__(&sd_journal_get_cursor) get_cursor;
	__typeof__(&sd_journal_get_usage) get_usage;
	__typeof__(&sd_journal_enumerate_data) enumerate_data;
	__typeof__(&sd_journal_restart_data) restart_data;
	__typeof__(&sd_journal_set_data_threshold) set_data_threshold;
};

extern struct sdj_systemd sdj_sd;

// The journal that the thread is inside of, for what handles SIGBUS.
extern _Thread_local struct sdj_journal *sdj_inside;

// Runs what may look into files.
#define SDJ_INSIDE(j, r, expression) \
	do { \
		sdj_inside = (j); \
		(r) = (expression); \
		sdj_inside = NULL; \
		if ((j)->cut) \
			(r) = -ESTALE; \
	} while (0)

#endif
