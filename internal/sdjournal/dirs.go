//go:build systemd && cgo

package sdjournal

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// The directories in which journald keeps this host's journal.
var hostRoots = []string{"/run/log/journal", "/var/log/journal"}

// dirs watches which files a journal has. libsystemd could tell by inotify, but it
// opens the reported files one by one: what was written to one that it does not know
// yet would be skipped.
type dirs struct {
	roots []string
	host  bool // this host's journal: only directories with its machine ID belong to it
	known map[string]listing
}

// listing is the contents of a directory.
type listing struct {
	id, changed [2]uint64 // of the directory
	files       map[string]uint64
	fault       error // why it cannot be listed, nil if it can
}

// isUnchanged reports whether a directory, and what is in it, is certainly the same.
func (l *listing) isUnchanged(dir string) bool {
	var st unix.Stat_t
	return l.fault == nil && unix.Stat(dir, &st) == nil && l.id == [2]uint64{st.Dev, st.Ino} &&
		l.changed == [2]uint64{uint64(st.Mtim.Sec), uint64(st.Mtim.Nsec)} && time.Since(time.Unix(st.Mtim.Unix())) > clockGrain
}

func newDirs(directory string) *dirs {
	if directory == "" {
		return &dirs{roots: hostRoots, host: true}
	}
	return &dirs{roots: []string{directory}}
}

// clockGrain is how long a directory can change without a change of its timestamp.
const clockGrain = 100 * time.Millisecond

// check lists the directories again. changed reports whether files were added or
// removed since the last time, vanished whether one was removed and not only renamed.
func (d *dirs) check() (changed, vanished bool) {
	if d.quiet() {
		return false, false
	}
	old := d.known
	now := make(map[string]listing, len(old))
	changed = old == nil
	for _, dir := range d.paths(old) {
		l, known := old[dir]
		if known && l.isUnchanged(dir) {
			now[dir] = l
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
				now[dir] = listing{fault: &os.PathError{Op: "open", Path: dir, Err: err}}
			}
			continue
		}
		fresh := listing{id: [2]uint64{st.Dev, st.Ino}, changed: [2]uint64{uint64(st.Mtim.Sec), uint64(st.Mtim.Nsec)}}
		fresh.files, fresh.fault = journalFiles(dir)
		changed = changed || !known || (l.fault == nil) != (fresh.fault == nil) || l.id != fresh.id || !maps.Equal(l.files, fresh.files)
		now[dir] = fresh
	}
	d.known = now
	if changed = changed || len(now) != len(old); changed {
		vanished = lacks(now, old)
	}
	return changed, vanished
}

// quiet reports whether no directory has changed. That is nearly always so, and it is
// called often.
func (d *dirs) quiet() bool {
	if d.known == nil {
		return false
	}
	var st unix.Stat_t
	for _, root := range d.roots {
		if _, known := d.known[root]; !known && unix.Stat(root, &st) == nil {
			return false
		}
	}
	for dir, l := range d.known {
		if !l.isUnchanged(dir) {
			return false
		}
	}
	return true
}

// fault returns why a directory cannot be listed: otherwise its files would seem not to
// exist.
func (d *dirs) fault() error {
	for _, l := range d.known {
		if l.fault != nil {
			return errors.Wrap(l.fault, "cannot list the journal")
		}
	}
	return nil
}

// lacks reports whether a file no longer exists under any name.
func lacks(now, old map[string]listing) bool {
	there := make(map[[2]uint64]bool)
	for _, l := range now {
		for _, ino := range l.files {
			there[[2]uint64{l.id[0], ino}] = true
		}
	}
	for _, l := range old {
		for _, ino := range l.files {
			if !there[[2]uint64{l.id[0], ino}] {
				return true
			}
		}
	}
	return false
}

// paths returns the directories that may contain files of the journal.
func (d *dirs) paths(known map[string]listing) []string {
	var all []string
	for _, root := range d.roots {
		all = append(all, root)
		if l, ok := known[root]; ok && l.isUnchanged(root) {
			for dir := range known {
				if filepath.Dir(dir) == root {
					all = append(all, dir)
				}
			}
			continue
		}
		entries, _ := os.ReadDir(root)
		for _, e := range entries {
			if d.host && e.Name() == machineID() || !d.host && isMachineID(e.Name()) {
				all = append(all, filepath.Join(root, e.Name()))
			}
		}
	}
	return all
}

// journalFiles returns the journal files in a directory, with their inodes. If one
// cannot be checked, that is an error: it would seem not to exist.
func journalFiles(dir string) (files map[string]uint64, err error) {
	files = make(map[string]uint64)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".journal") && !strings.HasSuffix(e.Name(), ".journal~") {
			continue
		}
		var st unix.Stat_t
		path := filepath.Join(dir, e.Name())
		switch statErr := unix.Stat(path, &st); {
		case statErr == nil:
			files[e.Name()] = st.Ino
		case err == nil && !errors.Is(statErr, unix.ENOENT):
			err = &os.PathError{Op: "open", Path: path, Err: statErr}
		}
	}
	return files, err
}

// isMachineID reports whether the name of a directory is a machine ID, and so contains
// journals, and not, for example, a namespace's.
func isMachineID(name string) bool {
	digits := strings.ReplaceAll(name, "-", "")
	return len(digits) == 32 && (len(name) == 32 || len(name) == 36) && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}

// machineID returns the ID of this machine, "" if there is none.
var machineID = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/etc/machine-id")
	return strings.TrimSpace(string(b))
})

// path returns the directory of the journal, for messages: of this host's two, the
// persistent one, if it is used.
func (d *dirs) path() string {
	if !d.host {
		return d.roots[0]
	}
	for _, root := range []string{hostRoots[1], hostRoots[0]} {
		if _, err := os.Stat(filepath.Join(root, machineID())); err == nil {
			return filepath.Join(root, machineID())
		}
	}
	return hostRoots[0]
}
