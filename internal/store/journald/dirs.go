//go:build systemd && cgo

package journald

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Where journald keeps the journal of this host.
var hostRoots = []string{"/run/log/journal", "/var/log/journal"}

// dirs watches which files a journal has. libsystemd would tell by inotify, but
// it opens files that it is told of one after the other: what was written to
// one that it does not know yet would be passed over.
type dirs struct {
	roots []string
	host  bool // the journal of this host: only directories of its machine ID belong to it
	known map[string]listing
}

// listing is what a directory holds.
type listing struct {
	id, changed [2]uint64 // of the directory
	files       map[string]uint64
}

func newDirs(directory string) *dirs {
	if directory == "" {
		return &dirs{roots: hostRoots, host: true}
	}
	return &dirs{roots: []string{directory}}
}

// clockGrain is how long a directory can change without its time changing.
const clockGrain = 100 * time.Millisecond

// changed tells whether files came or went since it was asked last.
func (d *dirs) changed() bool {
	old := d.known
	now := make(map[string]listing, len(old))
	changed := d.known == nil
	for _, dir := range d.paths(old) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil {
			continue
		}
		l, known := old[dir]
		id, at := [2]uint64{st.Dev, st.Ino}, [2]uint64{uint64(st.Mtim.Sec), uint64(st.Mtim.Nsec)}
		if known && l.id == id && l.changed == at && time.Since(time.Unix(st.Mtim.Unix())) > clockGrain {
			now[dir] = l
			continue
		}
		fresh := listing{id: id, changed: at, files: journalFiles(dir)}
		changed = changed || !known || l.id != id || !maps.Equal(l.files, fresh.files)
		now[dir] = fresh
	}
	changed = changed || len(now) != len(old)
	d.known = now
	return changed
}

// paths returns the directories that may hold files of the journal.
func (d *dirs) paths(known map[string]listing) []string {
	var all []string
	for _, root := range d.roots {
		all = append(all, root)
		if l, ok := known[root]; ok {
			var st unix.Stat_t
			if unix.Stat(root, &st) == nil && l.changed == [2]uint64{uint64(st.Mtim.Sec), uint64(st.Mtim.Nsec)} &&
				time.Since(time.Unix(st.Mtim.Unix())) > clockGrain {
				for dir := range known {
					if filepath.Dir(dir) == root {
						all = append(all, dir)
					}
				}
				continue
			}
		}
		entries, _ := os.ReadDir(root)
		for _, e := range entries {
			if e.IsDir() && (!d.host || e.Name() == machineID()) {
				all = append(all, filepath.Join(root, e.Name()))
			}
		}
	}
	return all
}

// journalFiles returns the journal files in a directory, with their inodes.
func journalFiles(dir string) map[string]uint64 {
	files := make(map[string]uint64)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".journal") && !strings.HasSuffix(e.Name(), ".journal~") {
			continue
		}
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(dir, e.Name()), &st) == nil {
			files[e.Name()] = st.Ino
		}
	}
	return files
}

// machineID returns the ID of this machine, "" if there is none.
var machineID = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/etc/machine-id")
	return strings.TrimSpace(string(b))
})

// path returns the directory of the journal for people: of those of this host
// the one that lasts, if it is used.
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
