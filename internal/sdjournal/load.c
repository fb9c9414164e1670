//go:build systemd && cgo

// Loads libsystemd, when the first journal is opened: the program starts without it. And survives that journald cuts files short.

#include "systemd.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

struct sdj_systemd sdj_sd;

// journald gives the space of files that it removes back at once, also under those who have them open: where the file system
// knows no holes it cuts them, and who looks at a page of one then gets SIGBUS. The library leaves that to the program.
// The thread that is inside is given a page of zeros instead, and the journal counts as cut.
_Thread_local struct sdj_journal *sdj_inside;
static struct sigaction before;
static uintptr_t page_size;

static void on_sigbus(int number, siginfo_t *info, void *context) {
	if (sdj_inside && info->si_code > 0) {
		void *page = (void *) ((uintptr_t) info->si_addr & ~(page_size - 1));
		if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
			sdj_inside->cut = 1;
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

const char *sdj_load(void) {
	if (sdj_sd.open_files_fd)
		return NULL;
	void *lib = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return dlerror();
#define LOAD(field, name, older) \
	if (!(sdj_sd.field = (__typeof__(sdj_sd.field)) symbol(lib, name, older))) { \
		sdj_sd.open_files_fd = NULL; \
		return "libsystemd.so.0 has no " name; \
	}
	LOAD(close, "sd_journal_close", NULL)
	LOAD(add_match, "sd_journal_add_match", NULL)
	LOAD(add_disjunction, "sd_journal_add_disjunction", NULL)
	LOAD(add_conjunction, "sd_journal_add_conjunction", NULL)
	LOAD(next, "sd_journal_next", NULL)
	LOAD(previous, "sd_journal_previous", NULL)
	LOAD(seek_head, "sd_journal_seek_head", NULL)
	LOAD(seek_tail, "sd_journal_seek_tail", NULL)
	LOAD(seek_cursor, "sd_journal_seek_cursor", NULL)
	LOAD(seek_monotonic, "sd_journal_seek_monotonic_usec", NULL)
	LOAD(get_cursor, "sd_journal_get_cursor", NULL)
	LOAD(get_usage, "sd_journal_get_usage", NULL)
	// Before systemd 246 a field that this build cannot decompress ends the enumeration.
	LOAD(enumerate_data, "sd_journal_enumerate_available_data", "sd_journal_enumerate_data")
	LOAD(restart_data, "sd_journal_restart_data", NULL)
	LOAD(set_data_threshold, "sd_journal_set_data_threshold", NULL)
	LOAD(open_files_fd, "sd_journal_open_files_fd", NULL)
#undef LOAD
	const char *reason = catch_sigbus();
	if (reason)
		sdj_sd.open_files_fd = NULL;
	return reason;
}
