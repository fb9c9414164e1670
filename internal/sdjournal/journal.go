//go:build systemd && cgo

package sdjournal

/*
#include "watch.h"
*/
import "C"

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"os"
	"unsafe"

	"github.com/pkg/errors"
)

// Journal is a journal on disk. It is safe for concurrent use.
type Journal struct {
	directory string
	only      string
	maxEntry  int
	log       *slog.Logger
	boot      [16]byte // of this machine now
	damage    damage
}

// tries is how often an operation is repeated that fails because journald removes
// files.
const tries = 20

// Supported returns nil if libsystemd can be loaded, otherwise why not.
func Supported() error { return load() }

// Open returns the journal. It opens no file yet.
func Open(o Options) (*Journal, error) {
	if err := load(); err != nil {
		return nil, errors.WithMessage(err, "cannot open the journal")
	}
	if o.Directory != "" {
		if st, err := os.Stat(o.Directory); err != nil || !st.IsDir() {
			if err == nil {
				err = errors.Errorf("%s is not a directory", o.Directory)
			}
			return nil, errors.Wrap(err, "cannot open the journal")
		}
	}
	if len(o.Only) > C.SDJ_MATCH {
		return nil, errors.Errorf("cannot open the journal: the field %.20q… is longer than %d bytes", o.Only, C.SDJ_MATCH)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxEntry == 0 {
		o.MaxEntry = DefaultMaxEntry
	}
	return &Journal{
		directory: o.Directory, only: o.Only, maxEntry: o.MaxEntry, log: o.Logger, boot: bootID(),
		damage: damage{tries: make(map[fileID]int), noted: make(map[string]uint64), lack: make(map[fileID]uint64)},
	}, nil
}

// OfHost reports whether the journal is this host's, which only journald writes.
func (j *Journal) OfHost() bool { return j.directory == "" }

// Boot returns the ID of this host's present boot.
func (j *Journal) Boot() [16]byte { return j.boot }

// Path returns its directory, for messages.
func (j *Journal) Path() string { return newDirs(j.directory).path() }

// Lacking returns how many entries are known to be unreadable because files are
// damaged, and where the last of them are.
func (j *Journal) Lacking() (n uint64, last string) { return j.damage.skipped() }

// matchOf returns a match in the form for C.
func matchOf(field string) (m C.struct_sdj_match) {
	m.length = C.size_t(copy(unsafe.Slice((*byte)(unsafe.Pointer(&m.data)), len(m.data)), field))
	return m
}

// bootID returns the ID of this boot in journald's form.
func bootID() (id [16]byte) {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	digits := bytes.ReplaceAll(bytes.TrimSpace(text), []byte{'-'}, nil)
	_, _ = hex.Decode(id[:], digits[:min(len(digits), 2*len(id))])
	return id
}
