//go:build systemd && cgo

package sdjournal

/*
#include "reader.h"
*/
import "C"

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// openFile is a journal file that a reader has open.
type openFile struct {
	path string
	id   fileID
}

// fileID identifies a file while any reader has it open.
type fileID struct{ dev, ino uint64 }

// deniedFile is a journal file that may not be read, and the reason.
type deniedFile struct {
	path  string
	err   error
	since time.Time // at least since then
}

// waitingFile is a journal file that could not be opened: journald is just creating it,
// it belongs to another user, or it is not a journal file.
type waitingFile struct {
	path string
	was  look
}

// look is what shows that a file has changed.
type look struct {
	ino, size, changed uint64
	mode               uint32
	head               [headerSize]byte
}

// lookAt checks a file, even one that cannot be opened.
func lookAt(path string) (l look) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return l
	}
	l = look{ino: st.Ino, size: uint64(st.Size), mode: st.Mode}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		l.changed = uint64(st.Ctim.Nano()) // its permissions may have changed
		return l
	}
	defer unix.Close(fd)
	_, _ = unix.Pread(fd, l.head[:], 0)
	return l
}

// anyChanged reports whether one of the files may be readable by now.
func anyChanged(waiting []waitingFile) bool {
	for i := range waiting {
		if lookAt(waiting[i].path) != waiting[i].was {
			return true
		}
	}
	return false
}

// openAll opens the files in the reader's directories, each individually, so that none
// is left out unnoticed: files that cannot be opened now, but may be later, are
// recorded.
func (h *Reader) openAll() error {
	for dir, l := range h.dirs.known {
		for name := range l.files {
			path := filepath.Join(dir, name)
			was := lookAt(path)
			err := h.openOne(path)
			switch {
			case err == nil:
			case errors.Is(err, unix.ENOENT): // it has just been renamed, which the directories show
			case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM), errors.Is(err, ErrStale):
				return err
			default:
				h.waiting = append(h.waiting, waitingFile{path: path, was: was})
				if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
					h.denied = append(h.denied, deniedFile{path, err, time.Unix(0, int64(was.changed))})
				} else {
					h.journal.damage.leaveOut(path, was.size, err, h.journal.log)
				}
			}
		}
	}
	slices.SortFunc(h.denied, func(a, b deniedFile) int { return strings.Compare(a.path, b.path) })
	return nil
}

// openOne opens a file.
func (h *Reader) openOne(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return errors.Wrapf(err, "cannot open %s", path)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size < headerSize {
		_ = unix.Close(fd)
		if err == nil {
			err = unix.ENODATA
		}
		return errors.Wrapf(err, "cannot open %s", path)
	}
	var r C.int
	h.on(func() { r = C.sdj_open(h.j, C.int(fd)) })
	if r < 0 {
		_ = unix.Close(fd)
		if syscall.Errno(-r) == unix.ESTALE {
			return ErrStale
		}
		return errors.Wrapf(errno(r), "cannot open %s", path)
	}
	f := openFile{path: path, id: fileID{st.Dev, st.Ino}}
	h.files = append(h.files, f)
	if h.journal.damage.tolerates(f.id) {
		h.on(func() { C.sdj_tolerate(h.j) })
	}
	return nil
}

// damage records which files of a journal are damaged. libsystemd gives up a file that
// it finds damaged. It also does so when journald is just changing the place that it
// reads; then only reopening the file helps.
type damage struct {
	mu    sync.Mutex
	tries map[fileID]int
	noted map[string]uint64 // sizes of files that were left out, by path
	lack  map[fileID]uint64 // entries that cannot be read
	last  string            // where, for people
}

// damageTries is how often a file is reopened that libsystemd has given up.
const damageTries = 5

func (d *damage) tolerates(id fileID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tries[id] >= damageTries
}

// note records that libsystemd gave up a file.
func (d *damage) note(f openFile, log *slog.Logger) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tries[f.id]++; d.tries[f.id] == damageTries {
		log.Warn("a file of the journal is damaged: what lies after the damage is left out; journalctl --verify --file says more", "file", f.path)
	}
}

// lacks records that a file has so many entries fewer than it says.
func (d *damage) lacks(f openFile, n uint64, log *slog.Logger) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lack[f.id] >= n {
		return
	}
	d.lack[f.id] = n
	d.last = fmt.Sprintf("journal file %s: it is damaged, %d entries in it cannot be read", f.path, n)
	log.Warn("a file of the journal is damaged: entries in it cannot be read", "file", f.path, "entries", n)
}

// skipped returns how many entries cannot be read, and where the last of them are.
func (d *damage) skipped() (n uint64, last string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, more := range d.lack {
		n += more
	}
	return n, d.last
}

// leaveOut logs once that a file is left out. An empty one is just being created.
func (d *damage) leaveOut(path string, size uint64, reason error, log *slog.Logger) {
	if size < headerSize {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, known := d.noted[path]; !known || last != size {
		d.noted[path] = size
		log.Warn("a file of the journal cannot be read and is left out", "file", path, "error", reason)
	}
}

// Readable returns nil if there is a file that can be read, otherwise why not. An empty
// directory for collected journals counts as a journal without entries.
func (h *Reader) Readable() error {
	switch {
	case len(h.files) > 0:
		return nil
	case len(h.denied) > 0:
		return h.denied[0].err
	case h.dirs.host && len(h.waiting) == 0:
		return errors.Errorf("cannot read the journal: there is none of this machine in %s; is systemd-journald running?", strings.Join(h.dirs.roots, " or "))
	}
	return nil
}

// Denied returns why files of the journal are left out because this process may not
// read them, nil if there are none. On a host, a user that may not read the system's
// journal is meant to read only its own files: the others are only counted.
func (h *Reader) Denied() (others int, err error) {
	isSystem := func(f openFile) bool { return lineageOf(filepath.Base(f.path)) == systemLineage }
	readsAll := !h.dirs.host || os.Geteuid() == 0 || slices.ContainsFunc(h.files, isSystem)
	own := fmt.Sprintf("user-%d", os.Geteuid())
	missed := 0
	for _, f := range h.denied {
		switch {
		case !readsAll && lineageOf(filepath.Base(f.path)) != own:
			others++
		case time.Since(f.since) < aclGrace:
		case err == nil:
			missed, err = 1, f.err
		default:
			missed++
		}
	}
	if missed > 1 {
		err = errors.WithMessagef(err, "%d files are left out, the first", missed)
	}
	return others, err
}

// aclGrace is how long a new file may be unreadable: journald creates a user's file
// first, and then lets the user read it.
const aclGrace = time.Second
