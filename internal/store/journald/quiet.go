//go:build systemd && cgo

package journald

/*
#include "reader.h"
*/
import "C"

import (
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"
)

// counter waits, at little cost, until a journal may have changed: until its
// directories do, or the number of entries of the files that are written to,
// which their heads say. To ask libsystemd, and to wait with a timer of Go, each
// takes some ten times as long.
type counter struct {
	dirs  *dirs
	open  []*os.File
	files []C.int // descriptors
	paths []C.int
	sum   C.uint64_t
	since time.Time // of the last change
}

// How long a journal that changed is looked at again and again, as journald
// counts an entry before it can be found; and how long one that did not is left
// alone at the most, which also bounds how long an end of it all waits.
const (
	afterChange = time.Second
	anyway      = time.Second / 10
)

// wait returns when one should look.
func (c *counter) wait(interval time.Duration) {
	if changed, _ := c.dirs.check(); changed {
		c.reopen()
	}
	times := C.int(max(1, anyway/interval))
	if time.Since(c.since) < afterChange {
		times = 1
	}
	sum := C.ev_wait(unsafe.SliceData(c.files), C.int(len(c.files)), unsafe.SliceData(c.paths), C.int(len(c.paths)),
		C.long(interval), times, c.sum)
	if sum != c.sum {
		c.sum, c.since = sum, time.Now()
	}
}

// reopen opens the directories, and the files that are written to.
func (c *counter) reopen() {
	c.close()
	add := func(list *[]C.int, path string) {
		if f, err := os.Open(path); err == nil {
			c.open = append(c.open, f)
			*list = append(*list, C.int(f.Fd()))
		}
	}
	for dir, l := range c.dirs.known {
		add(&c.paths, dir)
		for name := range l.files {
			if !strings.Contains(name, "@") && strings.HasSuffix(name, ".journal") {
				add(&c.files, filepath.Join(dir, name))
			}
		}
	}
}

func (c *counter) close() {
	for _, f := range c.open {
		_ = f.Close()
	}
	c.open, c.files, c.paths = nil, nil, nil
}
