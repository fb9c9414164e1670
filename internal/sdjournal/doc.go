// Package sdjournal is a library for reading the files of the systemd journal. It uses
// libsystemd, and adds what a service needs that must not miss an entry: many entries
// for each call into C, files that are noticed as they appear, and a follower that is
// woken within 10 ms.
//
//	journal, err := sdjournal.Open(sdjournal.Options{Only: "SYSLOG_IDENTIFIER=podman"})
//	reader, err := journal.Reader()
//	defer reader.Close()
//	fields := sdjournal.NewFields("MESSAGE=", "_UID=") // once
//	err = reader.SeekHead()
//	for end := false; !end; {
//		entries, end, err = reader.Next(entries, sdjournal.MaxEntries, fields)
//		...
//		for b := entries[i].Fields; len(b) > 0; {
//			name, value, b = sdjournal.CutField(b)
//		}
//	}
//
// It is built with the tag systemd and cgo. libsystemd is loaded when the first
// journal is opened, so that a program starts on hosts without it.
//
// # What libsystemd alone would lose
//
// Each of these has a test, here or in the test of the service that uses this.
//
//   - It silently leaves out a file that it cannot open: one that journald is just
//     creating (TestReader_fileThatIsBeingMade), or one for which there is no
//     descriptor (TestJournal_filesCannotBeOpened). Here each file is opened
//     individually. If a file may be opened later, Check reports that a new reader is
//     needed; if it cannot be opened now, that is an error.
//   - It silently leaves out the rest of a damaged file (TestReader_damagedFile).
//     Here Lacking counts its entries.
//   - A file that journald removes is truncated under its readers: the process gets
//     SIGBUS, or reads zeros (TestJournal_vacuumUnderReader). Here the reader fails
//     with ErrStale, and what it has read since the last Check is discarded.
//   - A compressed field is decompressed in full, whatever its length and whatever
//     was set with sd_journal_set_data_threshold(3): 50 kB from a sender become 768 MB
//     (TestReader_longEntry). Here the length is read first, and MaxEntry bounds it.
//   - sd_journal_wait(3) wakes up when journald announces new entries, which is every
//     250 ms. Watch reads each file's count of matching entries every few
//     milliseconds, on a C thread.
//   - Entries that the present boot wrote before its clock was set are sorted among
//     older boots (TestJournalOfABoot). Here they come after them.
//   - It does not report whether older entries have been removed. Here Reach
//     determines that from the headers of the files.
//
// It also costs less: one call into C reads 512 entries, and the fields are taken from
// the file itself.
//
// # Words
//
// A Journal is on disk; a Reader has opened it, has its own thread, and reads the files
// that existed when it was opened. A Place is the position of an entry in the order of
// the journal; its Key identifies the entry, even when it is copied to another file.
// All methods of a Reader may be called by one goroutine at a time.
package sdjournal

import "log/slog"

// Options say which journal to read, and how.
type Options struct {
	// Directory is a directory with journal files, and with subdirectories of them
	// named by machine IDs; empty: the journal of this host.
	Directory string
	// Only is a field, NAME=VALUE, of at most 256 bytes, that an entry must have to be
	// read; empty: all are read.
	Only string
	// MaxEntry bounds the bytes of those fields of an entry that are read, and of those
	// that would have to be decompressed, with 16 KiB added for each compressed field;
	// 0: DefaultMaxEntry. A longer entry has a Fault instead.
	MaxEntry int
	// Logger gets messages about files that cannot be read; nil: they are dropped.
	Logger *slog.Logger
}

// DefaultMaxEntry has room for a core dump of a small program, the longest entry that
// is common in a journal.
const DefaultMaxEntry = 32 << 20

// MaxEntries is how many entries one call reads at most.
const MaxEntries = 512
