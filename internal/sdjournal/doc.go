// Package sdjournal reads the files of the systemd journal as a library does,
// with libsystemd underneath, and adds what a service needs that must not miss an
// entry: many entries for each call into C, files that are seen as they appear,
// and a follower that is woken within 10 ms.
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
//   - A file that cannot be opened is left out without a word: one that journald is
//     just making (TestReader_fileThatIsBeingMade), or one for which there is no
//     descriptor (TestJournal_filesCannotBeOpened). Here each file is
//     opened by itself. What may be opened later makes Check report that the reader
//     has to be made again; what cannot be opened now is an error.
//   - Of a damaged file the rest is left out without a word
//     (TestReader_damagedFile). Here Lacking counts it.
//   - A file that journald removes is cut short under its readers: the process gets
//     SIGBUS, or reads zeros (TestJournal_vacuumUnderReader). Here the reader fails
//     with ErrStale, and nothing that it has read since is believed.
//   - A compressed field is decompressed whole, whatever its length and whatever
//     sd_journal_set_data_threshold(3) was given: 50 kB of a sender become 768 MB
//     (TestReader_longEntry). Here the length is read first, and MaxEntry bounds it.
//   - sd_journal_wait(3) wakes when journald announces what is new, which it does
//     every 250 ms. Watch looks at the place where each file counts the entries that
//     match, every few milliseconds, on a thread of C.
//   - What the present boot wrote before its clock was set sorts among older boots
//     (TestJournalOfABoot). Here it comes after them.
//   - Whether older entries have been removed is not said. Reach knows it from the
//     heads of the files.
//
// It costs less, too: 512 entries are read in one call into C, and the fields are
// taken from the file itself.
//
// # Words
//
// A Journal is on disk; a Reader has opened it, has a thread of its own, and reads
// the files that there were then. A Place is where an entry stands in the order of
// the journal, and its Key what it is recognized by, also when it is copied to
// another file. All methods of a Reader are for one goroutine at a time.
package sdjournal

import "log/slog"

// Options say which journal it is and how it is read.
type Options struct {
	// Directory is a directory with journal files, and with directories of them
	// that are named by machine IDs; empty: the journal of this host.
	Directory string
	// Only is a field, NAME=VALUE, that every entry that is read has, at most 256
	// bytes; empty: all are read.
	Only string
	// MaxEntry is how many bytes the fields of an entry may have that are read,
	// and those that would have to be decompressed, with 16 KiB more for each field
	// that is compressed; 0: DefaultMaxEntry. A longer one has a Fault instead.
	MaxEntry int
	// Logger takes what is to be said of files that cannot be read; nil: nothing
	// is.
	Logger *slog.Logger
}

// DefaultMaxEntry has room for a core dump of a small program, which is the
// longest that is usual in a journal.
const DefaultMaxEntry = 32 << 20

// MaxEntries is how many entries one call reads at most.
const MaxEntries = 512
