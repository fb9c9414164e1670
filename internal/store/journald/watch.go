//go:build systemd && cgo

package journald

/*
#cgo LDFLAGS: -lpthread
#include "watch.h"
*/
import "C"

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// watch wakes the follower when the journal may hold something new.
type watch struct {
	w       *C.struct_ev_watch
	changed *os.File // an eventfd
	dirs    *dirs
	waiting []waitingFile // that could not be opened

	mu     sync.Mutex
	rounds uint64
	round  chan struct{} // closed with the next one, nil: nobody waits
}

func newWatch(directory string, interval time.Duration) (*watch, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Wrap(err, "cannot follow the journal")
	}
	w := &watch{changed: os.NewFile(uintptr(fd), "eventfd"), dirs: newDirs(directory)}
	if w.w = C.ev_watch_start(C.int(fd), C.long(interval)); w.w == nil {
		_ = w.changed.Close()
		return nil, errors.New("cannot follow the journal: there can be no more threads")
	}
	return w, nil
}

// wait returns when one should look, or was poked.
func (w *watch) wait() {
	var count [8]byte
	_, _ = w.changed.Read(count[:])
}

// refresh has the thread look at the files that there are now.
func (w *watch) refresh() {
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
	C.ev_watch_set(w.w, unsafe.SliceData(files), C.int(len(files)), unsafe.SliceData(dirs), C.int(len(dirs)))
}

// poke wakes the follower by way of the thread, and says whether that is to look.
func (w *watch) poke(active bool) {
	var on C.int
	if active {
		on = 1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.w != nil {
		C.ev_watch_poke(w.w, on)
	}
}

// close ends the thread. Nobody may wait any more.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	C.ev_watch_end(w.w)
	w.w = nil
	_ = w.changed.Close()
}

// wentRound is called by the follower when it has looked.
func (w *watch) wentRound() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds++
	if w.round != nil {
		close(w.round)
		w.round = nil
	}
}

// Probe has the thread that watches the journal wake the follower, and waits
// until that has gone round: it has looked at the journal, if somebody wants
// that, and could take its lock.
func (s *Store) Probe(ctx context.Context) error {
	w := s.watch.Load()
	if w == nil {
		return nil
	}
	// Two rounds, as one may have been under way.
	for range 2 {
		w.mu.Lock()
		if w.round == nil {
			w.round = make(chan struct{})
		}
		next := w.round
		w.mu.Unlock()
		s.wakeUp()
		select {
		case <-next:
		case <-s.stop:
			return nil
		case <-ctx.Done():
			return errors.WithMessage(ctx.Err(), "cannot follow the journal: its reader is not responding")
		}
	}
	return nil
}
