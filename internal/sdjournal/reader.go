//go:build systemd && cgo

package sdjournal

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "reader.h"
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"github.com/pkg/errors"
)

// load loads libsystemd, once.
var load = sync.OnceValue(func() error {
	runtime.LockOSThread() // dlerror belongs to the thread
	defer runtime.UnlockOSThread()
	if reason := C.sdj_load(); reason != nil {
		return errors.Errorf("cannot load libsystemd: %s; install the package libsystemd0 (systemd-libs)", C.GoString(reason))
	}
	return nil
})

// fillSize bounds one call into C, in bytes, so that none takes long, and no caller
// waits for long on the way to the end.
const fillSize = 256 << 10

// Fields are the fields of entries to read. Make one once and keep it: its memory is
// never freed.
type Fields struct{ beginnings *C.char }

// NewFields returns the fields with one of these prefixes, such as "_UID=" or, for all
// of a program, "PODMAN_".
func NewFields(beginnings ...string) *Fields {
	return &Fields{C.CString(strings.Join(beginnings, "\x00") + "\x00")}
}

// Reader is an open journal. Everything is done by one thread of its own, as libsystemd
// requires; the methods may be called by one goroutine at a time.
type Reader struct {
	journal *Journal
	j       *C.struct_sdj_journal
	do      chan func()
	done    chan struct{}
	buf     []byte
	next    *Place // where to seek at the next fill, nil: nowhere; so both need only one switch to the thread
	boot    [16]byte
	dirs    *dirs // as they were when it was opened, or last used
	// moved: files were added, removed or renamed since it was opened; it does not know
	// the added ones.
	moved bool
	stale bool

	files   []openFile    // in the order in which they were opened
	waiting []waitingFile // files that could not be opened
	denied  []deniedFile  // those of them that this process may not read, by path
}

// ErrStale is returned by a reader under which journald has removed a file. journald
// frees its space at once, so that what is read there is meaningless.
var ErrStale = errors.New("cannot read the journal: files of it are being removed; try again")

// Reader opens the journal. A file that is renamed meanwhile would be left out, so it
// is reopened until nothing changes.
func (j *Journal) Reader() (h *Reader, err error) {
	for range tries {
		if h, err = j.open(); err != nil {
			return nil, err
		}
		if changed, _ := h.dirs.check(); !changed {
			return h, nil
		}
		h.Close()
	}
	return nil, ErrStale
}

func (j *Journal) open() (*Reader, error) {
	h := &Reader{journal: j, do: make(chan func()), done: make(chan struct{}), dirs: newDirs(j.directory)}
	h.dirs.check() // first, so that changes while it opens the files are noticed
	if err := h.dirs.fault(); err != nil {
		return nil, err
	}
	h.j = (*C.struct_sdj_journal)(C.calloc(1, C.sizeof_struct_sdj_journal))
	h.j.only = matchOf(j.only)
	if j.OfHost() {
		h.boot = j.boot
		h.j.has_boot = 1
		h.j.boot = *(*[16]C.uint8_t)(unsafe.Pointer(&j.boot))
	}
	go h.work()
	if err := h.openAll(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Check checks what has happened to the files. If it returns nil, what was read before
// is valid; otherwise the error is ErrStale.
func (h *Reader) Check() error {
	changed, vanished := h.dirs.check()
	h.moved = h.moved || changed || anyChanged(h.waiting)
	if h.stale = h.stale || vanished; h.stale {
		return ErrStale
	}
	return nil
}

// work runs everything that is done with the journal, on one thread.
func (h *Reader) work() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(h.done)
	for f := range h.do {
		f()
	}
}

// on runs the function on the journal's thread and waits for it.
func (h *Reader) on(f func()) {
	ran := make(chan struct{})
	h.do <- func() {
		defer close(ran)
		f()
	}
	<-ran
}

// Close closes the journal and ends its thread.
func (h *Reader) Close() {
	h.on(func() {
		C.sdj_close(h.j)
		C.free(unsafe.Pointer(h.j))
	})
	close(h.do)
	<-h.done
}

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func errno(r C.int) error { return syscall.Errno(-r) }

// call runs a function that returns a negative error number.
func (h *Reader) call(doing string, f func() C.int) error {
	var r C.int
	h.on(func() { r = f() })
	if r < 0 {
		return errors.Wrapf(errno(r), "cannot %s the journal", doing)
	}
	return nil
}

// Matches are matched by the journal itself: an entry has to match each group, and in a
// group one of the alternatives. The matches of an alternative are of one field, and
// the entry must have one of them. A match is NAME=VALUE.
type Matches [][][]string

// Match restricts the reader to entries that match.
func (h *Reader) Match(all Matches) error {
	if len(all) == 1 && len(all[0]) == 1 && len(all[0][0]) == 1 && all[0][0][0] == h.journal.only {
		h.j.of_only = 1
	}
	return h.call("search", func() C.int {
		for _, group := range all {
			for i, alternatives := range group {
				if i > 0 {
					if r := C.sdj_or(h.j); r < 0 {
						return r
					}
				}
				for _, match := range alternatives {
					if r := C.sdj_match(h.j, unsafe.Pointer(unsafe.StringData(match)), C.size_t(len(match))); r < 0 {
						return r
					}
				}
			}
			if r := C.sdj_and(h.j); r < 0 {
				return r
			}
		}
		return 0
	})
}

// SeekHead seeks to before the first entry.
func (h *Reader) SeekHead() error {
	h.next = nil
	return h.call("seek in", func() C.int { return C.sdj_seek_head(h.j) })
}

// SeekTail seeks to after the last entry.
func (h *Reader) SeekTail() error {
	h.next = nil
	return h.call("seek in", func() C.int { return C.sdj_seek_tail(h.j) })
}

// Seek seeks to an entry, or to where it would be: in either case that is what Next
// returns.
func (h *Reader) Seek(p *Place) {
	at := *p
	h.next = &at
}

// seekNow does what Seek has postponed.
func (h *Reader) seekNow() C.int {
	if h.next == nil {
		return 0
	}
	past := cBool(h.next.Boot != h.boot)
	text := C.CString(h.next.Text())
	defer C.free(unsafe.Pointer(text))
	h.next = nil
	return C.sdj_seek_cursor(h.j, text, past)
}

// Entry is an entry of the journal in the reader's memory.
type Entry struct {
	Place  Place
	Fields []byte // for CutField
	Fault  error  // why there are no fields
}

var errDamagedEntry = errors.New("the entry is damaged, or compressed in a way that libsystemd cannot read here")

// Next reads the next entries into the slice, at most so many, with these fields; nil:
// only their places. They are valid until the next call. There may be fewer, or none;
// end reports whether there are no more.
func (h *Reader) Next(entries []Entry, most int, fields *Fields) (all []Entry, end bool, err error) {
	return h.fill(entries, false, most, fields)
}

// Previous is Next backwards.
func (h *Reader) Previous(entries []Entry, most int, fields *Fields) (all []Entry, end bool, err error) {
	return h.fill(entries, true, most, fields)
}

func (h *Reader) fill(entries []Entry, back bool, most int, fields *Fields) (all []Entry, end bool, err error) {
	var wanted *C.char
	if fields != nil {
		wanted = fields.beginnings
	}
	if h.buf == nil {
		h.buf = make([]byte, fillSize)
	}
	entries = entries[:0]
	// Where one was long the next are not to be as many as have room in its buffer.
	buf := h.buf[:fillSize]
	for {
		var out C.struct_sdj_fill
		var r C.int
		h.on(func() {
			if r = h.seekNow(); r < 0 {
				return
			}
			r = C.sdj_fill(h.j, cBool(back), C.uint32_t(most), wanted, C.size_t(h.journal.maxEntry),
				unsafe.Pointer(unsafe.SliceData(buf)), C.size_t(len(buf)), &out)
		})
		if err := h.Check(); err != nil {
			return entries, false, err
		}
		if r < 0 {
			return entries, false, h.fault(r)
		}
		if need := int(out.need); out.entries == 0 && out.end == 0 && need > len(buf) {
			if need > len(h.buf) {
				h.buf = make([]byte, need*5/4)
			}
			buf = h.buf[:need]
			continue
		}
		if out.end != 0 {
			h.reportLacking()
		}
		return h.parseEntries(entries, buf[:out.used]), out.end != 0, nil
	}
}

// fault returns the error of a read.
func (h *Reader) fault(r C.int) error {
	if syscall.Errno(-r) == syscall.EUCLEAN {
		h.journal.damage.note(h.files[h.j.failed], h.journal.log)
		h.moved = true
		return ErrStale
	}
	return errors.Wrap(errno(r), "cannot read the journal")
}

// reportLacking reports the files that have fewer entries than they say.
func (h *Reader) reportLacking() {
	for i := range h.files {
		if n := C.sdj_lacking(h.j, C.int(i)); n > 0 {
			h.journal.damage.lacks(h.files[i], uint64(n), h.journal.log)
		}
	}
}

// parseEntries parses the entries in a buffer that ev_fill filled.
func (h *Reader) parseEntries(entries []Entry, b []byte) []Entry {
	for len(b) > 0 {
		head := (*C.struct_sdj_entry)(unsafe.Pointer(unsafe.SliceData(b)))
		var e Entry
		e.Place.Boot = *(*[16]byte)(unsafe.Pointer(&head.boot))
		e.Place.Source = *(*[16]byte)(unsafe.Pointer(&head.source))
		e.Place.Monotonic, e.Place.Realtime = uint64(head.monotonic), uint64(head.realtime)
		e.Place.Now = head.now != 0
		e.Place.Hash, e.Place.Seqnum = uint64(head.xor_hash), uint64(head.seqnum)
		switch head.nfields {
		case C.SDJ_LONG:
			e.Fault = errors.Errorf("its fields are longer than %d bytes", h.journal.maxEntry)
		case C.SDJ_DAMAGED:
			e.Fault = errDamagedEntry
		default:
			e.Fields = cutFields(b[C.sizeof_struct_sdj_entry:head.size], int(head.nfields))
		}
		entries = append(entries, e)
		b = b[head.size:]
	}
	return entries
}

// CutField returns the first field of an entry, and those after it.
func CutField(fields []byte) (name, value, rest []byte) {
	const head = 4
	end := head + int(binary.NativeEndian.Uint32(fields))
	name, value, _ = bytes.Cut(fields[head:end], []byte{'='})
	return name, value, fields[end:]
}

// cutFields returns the bytes of n fields.
func cutFields(b []byte, n int) []byte {
	size := 0
	for range n {
		size += 4 + int(binary.NativeEndian.Uint32(b[size:]))
	}
	return b[:size]
}

// ErrUnlisted is returned by Unique if not all values can be listed: one is
// compressed, or longer than a quarter of a megabyte, or a file is damaged, or
// was made by journald before version 246.
var ErrUnlisted = errors.New("cannot list the values of the field")

// Unique calls found with each distinct value of a field, until it returns false. The
// values are those of all entries, whatever matches are set.
func (h *Reader) Unique(field string, found func(value []byte) bool) error {
	if h.buf == nil {
		h.buf = make([]byte, fillSize)
	}
	restart := C.int(1)
	for {
		var used C.uint64_t
		var more C.int
		var r C.int
		h.on(func() {
			name := C.CString(field)
			defer C.free(unsafe.Pointer(name))
			r = C.sdj_unique(h.j, name, restart, unsafe.Pointer(unsafe.SliceData(h.buf)), C.size_t(len(h.buf)), &used, &more)
		})
		if err := h.Check(); err != nil {
			return err
		}
		if r == -C.int(syscall.EOPNOTSUPP) || r == -C.int(syscall.EBADMSG) {
			return ErrUnlisted
		}
		if r < 0 {
			return errors.Wrap(errno(r), "cannot search the journal")
		}
		for b := h.buf[:used]; len(b) > 0; {
			n := binary.NativeEndian.Uint32(b)
			if !found(b[4+len(field)+1 : 4+n]) {
				return nil
			}
			b = b[4+n:]
		}
		if more == 0 {
			return nil
		}
		restart = 0
	}
}

// Moved reports whether Check has found that files were added, removed or renamed since
// the reader was opened: it does not read the added ones.
func (h *Reader) Moved() bool { return h.moved }
