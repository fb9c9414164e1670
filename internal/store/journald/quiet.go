//go:build systemd && cgo

package journald

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// counter tells cheaply whether a journal has changed: by how many entries the
// files have that are written to, which their heads say. To ask libsystemd takes
// some ten times as long.
type counter struct {
	dirs  *dirs
	files []*os.File
	sum   uint64
	since time.Time // of the last change
	asked time.Time // when it last said that one should look
}

// How long a journal that changed is looked at again and again, as journald
// counts an entry before it can be found; and how often one that did not is
// looked at all the same.
const (
	afterChange = time.Second
	anyway      = time.Second / 2
)

// shouldLook tells whether there may be something new.
func (c *counter) shouldLook() bool {
	now := time.Now()
	if changed, _ := c.dirs.check(); changed {
		c.open()
		c.since = now
	}
	sum := uint64(0)
	for i, f := range c.files {
		const offset = 152 // of n_entries in the head
		var b [8]byte
		if _, err := f.ReadAt(b[:], offset); err == nil {
			sum += binary.LittleEndian.Uint64(b[:]) + uint64(i)<<48
		}
	}
	if sum != c.sum {
		c.sum, c.since = sum, now
	}
	if now.Sub(c.since) > afterChange && now.Sub(c.asked) < anyway {
		return false
	}
	c.asked = now
	return true
}

// open opens the files that are written to.
func (c *counter) open() {
	c.close()
	for dir, l := range c.dirs.known {
		for name := range l.files {
			if strings.Contains(name, "@") || !strings.HasSuffix(name, ".journal") {
				continue
			}
			if f, err := os.Open(filepath.Join(dir, name)); err == nil {
				c.files = append(c.files, f)
			}
		}
	}
}

func (c *counter) close() {
	for _, f := range c.files {
		_ = f.Close()
	}
	c.files = nil
}
