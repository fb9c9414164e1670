//go:build systemd && cgo

package sdjournal

/*
#cgo LDFLAGS: -lpthread
#include "watch.h"
*/
import "C"

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// Watch wakes a follower when the journal may have new entries. Its methods may be
// called concurrently, except for Wait, Refresh and Close, which only the follower may
// call.
type Watch struct {
	w       *C.struct_sdj_watch
	changed *os.File // an eventfd
	dirs    *dirs
	waiting []waitingFile // files that could not be opened

	mu    sync.Mutex
	round chan struct{} // closed by the next iteration; nil: no caller waits
}

// Watch returns a Watch. Once it is poked, it checks at this interval whether the
// journal may have new entries.
func (j *Journal) Watch(interval time.Duration) (*Watch, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Wrap(err, "cannot follow the journal")
	}
	match := matchOf(j.only)
	w := &Watch{changed: os.NewFile(uintptr(fd), "eventfd"), dirs: newDirs(j.directory)}
	if w.w = C.sdj_watch_start(C.int(fd), C.long(interval), &match); w.w == nil {
		_ = w.changed.Close()
		return nil, errors.New("cannot follow the journal: there can be no more threads")
	}
	return w, nil
}

// Wait returns when the journal should be read, or Poke was called.
func (w *Watch) Wait() {
	var count [8]byte
	_, _ = w.changed.Read(count[:])
}

// Refresh makes the thread watch the present files.
func (w *Watch) Refresh() {
	changed, _ := w.dirs.check()
	if !changed && !anyChanged(w.waiting) {
		return
	}
	w.waiting = nil
	var files, dirs []C.int
	add := func(list *[]C.int, path string) {
		was := lookAt(path)
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != nil {
			w.waiting = append(w.waiting, waitingFile{path: path, was: was})
			return
		}
		*list = append(*list, C.int(fd))
	}
	for dir, l := range w.dirs.known {
		add(&dirs, dir)
		for name := range l.files {
			if !strings.Contains(name, "@") && strings.HasSuffix(name, ".journal") {
				add(&files, filepath.Join(dir, name))
			}
		}
	}
	C.sdj_watch_set(w.w, unsafe.SliceData(files), C.int(len(files)), unsafe.SliceData(dirs), C.int(len(dirs)))
}

// Poke makes the thread wake the follower, and sets whether the thread checks for new
// entries.
func (w *Watch) Poke(active bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.w != nil {
		C.sdj_watch_poke(w.w, cBool(active))
	}
}

// Close ends the thread. No call may be waiting any more.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	C.sdj_watch_end(w.w)
	w.w = nil
	_ = w.changed.Close()
}

// WentRound is called by the follower at the end of each iteration.
func (w *Watch) WentRound() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.round != nil {
		close(w.round)
		w.round = nil
	}
}

// Round returns a channel that is closed when the follower has completed one more
// iteration.
func (w *Watch) Round() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.round == nil {
		w.round = make(chan struct{})
	}
	return w.round
}
