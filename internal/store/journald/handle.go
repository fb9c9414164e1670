//go:build systemd && cgo

package journald

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "reader.h"
*/
import "C"

import (
	"encoding/binary"
	"log/slog"
	"reflect"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// load loads libsystemd, once.
var load = sync.OnceValue(func() error {
	runtime.LockOSThread() // dlerror is of the thread
	defer runtime.UnlockOSThread()
	if reason := C.ev_load(); reason != nil {
		return errors.Errorf("cannot load libsystemd: %s; install the package libsystemd0 (systemd-libs)", C.GoString(reason))
	}
	return nil
})

// The bounds of one crossing into C, so that none takes long and nobody waits
// for one on the way to the end.
const (
	fillEntries = 512
	fillSize    = 256 << 10
)

// what says what is taken of each entry.
type what C.int

const (
	onlyPlaces what = C.EV_PLACES
	forIndex   what = C.EV_INDEX
	allFields  what = C.EV_FIELDS
)

// handle is an open journal. All of it is done by one thread of its own, as
// libsystemd asks; the methods may be called by one goroutine at a time.
type handle struct {
	j    *C.struct_ev_journal
	do   chan func()
	done chan struct{}
	buf  []byte
	next *place // to seek at the next fill, nil for none: both take one way to the thread
	boot [16]byte
	dirs *dirs // as they were when it was opened, or when it was used last
	// moved says that files came, went, or got other names since it was opened:
	// it does not know those that came.
	moved bool
	stale bool

	files   []openFile    // in the order in which they were opened
	waiting []waitingFile // that could not be opened
	denied  error         // why one was not, if that is because of permissions
	damage  *damage
	log     *slog.Logger
}

// errStale is returned by a handle under which journald has removed a file.
// journald gives the space back at once, so that what is read there means
// nothing any more.
var errStale = errors.New("cannot read the journal: files of it are being removed; try again")

// openHandle opens the journal in the store's directory, that of this host if
// it is "". A file that gets another name just then would be left out, so it is
// opened until nothing changes meanwhile.
func (s *Store) openHandle() (h *handle, err error) {
	for range retries {
		if h, err = s.tryHandle(); err != nil {
			return nil, err
		}
		if changed, _ := h.dirs.check(); !changed {
			return h, nil
		}
		h.close()
	}
	return nil, errStale
}

func (s *Store) tryHandle() (*handle, error) {
	if err := load(); err != nil {
		return nil, err
	}
	h := &handle{do: make(chan func()), done: make(chan struct{}), dirs: newDirs(s.directory), damage: &s.damage, log: s.log}
	h.dirs.check() // first, so that what changes while it opens the files is noticed
	if err := h.dirs.fault(); err != nil {
		return nil, explain(err)
	}
	h.j = (*C.struct_ev_journal)(C.calloc(1, C.sizeof_struct_ev_journal))
	if s.ofHost() {
		h.boot = s.boot
		h.j.has_boot = 1
		h.j.boot = *(*[16]C.uint8_t)(unsafe.Pointer(&s.boot))
	}
	go h.work()
	if err := h.openAll(); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// look notes what has become of the files. What was read before is to be
// believed if it returns nil.
func (h *handle) look() error {
	changed, vanished := h.dirs.check()
	h.moved = h.moved || changed || anyChanged(h.waiting)
	if h.stale = h.stale || vanished; h.stale {
		return errStale
	}
	return nil
}

// work runs what is done with the journal, on one thread.
func (h *handle) work() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(h.done)
	for f := range h.do {
		f()
	}
}

// on runs the function on the thread of the journal and waits for it.
func (h *handle) on(f func()) {
	ran := make(chan struct{})
	h.do <- func() {
		defer close(ran)
		f()
	}
	<-ran
}

// close frees the journal and its thread.
func (h *handle) close() {
	h.on(func() {
		C.ev_close(h.j)
		C.free(unsafe.Pointer(h.j))
	})
	close(h.do)
	<-h.done
}

func errno(r C.int) error { return syscall.Errno(-r) }

// call runs something that returns a negative error number.
func (h *handle) call(doing string, f func() C.int) error {
	var r C.int
	h.on(func() { r = f() })
	if r < 0 {
		return errors.Wrapf(errno(r), "cannot %s the journal", doing)
	}
	return nil
}

// setMatches lets the handle see only entries that match.
func (h *handle) setMatches(all matches) error {
	if reflect.DeepEqual(all, ofPodman) {
		h.j.of_podman = 1
	}
	return h.call("search", func() C.int {
		for _, group := range all {
			for i, alternatives := range group {
				if i > 0 {
					if r := C.ev_or(h.j); r < 0 {
						return r
					}
				}
				for _, match := range alternatives {
					if r := C.ev_match(h.j, unsafe.Pointer(unsafe.StringData(match)), C.size_t(len(match))); r < 0 {
						return r
					}
				}
			}
			if r := C.ev_and(h.j); r < 0 {
				return r
			}
		}
		return 0
	})
}

func (h *handle) seekHead() error {
	h.next = nil
	return h.call("seek in", func() C.int { return C.ev_seek_head(h.j) })
}

func (h *handle) seekTail() error {
	h.next = nil
	return h.call("seek in", func() C.int { return C.ev_seek_tail(h.j) })
}

// seek lets the next fill begin at a place, or where it would be.
func (h *handle) seek(p *place) {
	at := *p
	h.next = &at
}

// seekNow does what seek has promised.
func (h *handle) seekNow() C.int {
	if h.next == nil {
		return 0
	}
	var past C.int
	if h.next.boot != h.boot {
		past = 1
	}
	text := C.CString(h.next.text())
	defer C.free(unsafe.Pointer(text))
	h.next = nil
	return C.ev_seek_cursor(h.j, text, past)
}

// entry is an entry of the journal in the memory of its handle.
type entry struct {
	place  place
	fields []byte // each a length in four bytes and NAME=VALUE
	fault  error  // why there are none
}

var (
	errLongEntry    = errors.Errorf("its fields are longer than %d bytes", limits.JournalEntry)
	errDamagedEntry = errors.New("the entry is damaged, or compressed in a way that libsystemd cannot read here")
)

// fill reads the next entries, or those in front, into the slice, at most so
// many. They are valid until the next call. end says that there are no more.
func (h *handle) fill(entries []entry, back bool, most int, take what) (all []entry, end bool, err error) {
	if h.buf == nil {
		h.buf = make([]byte, fillSize)
	}
	var goBack C.int
	if back {
		goBack = 1
	}
	entries = entries[:0]
	for {
		var out C.struct_ev_fill
		var r C.int
		h.on(func() {
			if r = h.seekNow(); r < 0 {
				return
			}
			r = C.ev_fill(h.j, goBack, C.uint32_t(most), C.int(take), limits.JournalEntry,
				unsafe.Pointer(unsafe.SliceData(h.buf)), C.size_t(len(h.buf)), &out)
		})
		if err := h.look(); err != nil {
			return entries, false, err
		}
		if r < 0 {
			return entries, false, h.fault(r)
		}
		if out.entries == 0 && out.end == 0 && int(out.need) > len(h.buf) {
			h.buf = make([]byte, int(out.need)*5/4)
			continue
		}
		if out.end != 0 {
			h.reportLacking()
		}
		return parseEntries(entries, h.buf[:out.used]), out.end != 0, nil
	}
}

// fault returns the error of a read.
func (h *handle) fault(r C.int) error {
	if syscall.Errno(-r) == syscall.EUCLEAN {
		h.damage.note(h.files[h.j.failed], h.log)
		h.moved = true
		return errStale
	}
	return errors.Wrap(errno(r), "cannot read the journal")
}

// reportLacking tells of the files that have fewer entries than they say.
func (h *handle) reportLacking() {
	for i := range h.files {
		if n := C.ev_lacking(h.j, C.int(i)); n > 0 {
			h.damage.lacks(h.files[i], uint64(n), h.log)
		}
	}
}

// parseEntries finds the entries in a buffer that ev_fill filled.
func parseEntries(entries []entry, b []byte) []entry {
	for len(b) > 0 {
		head := (*C.struct_ev_entry)(unsafe.Pointer(unsafe.SliceData(b)))
		var e entry
		e.place.boot = *(*[16]byte)(unsafe.Pointer(&head.boot))
		e.place.source = *(*[16]byte)(unsafe.Pointer(&head.source))
		e.place.monotonic, e.place.realtime = uint64(head.monotonic), uint64(head.realtime)
		e.place.now = head.now != 0
		e.place.hash, e.place.seqnum = uint64(head.xor_hash), uint64(head.seqnum)
		switch head.nfields {
		case C.EV_LONG:
			e.fault = errLongEntry
		case C.EV_DAMAGED:
			e.fault = errDamagedEntry
		default:
			e.fields = cutFields(b[C.sizeof_struct_ev_entry:head.size], int(head.nfields))
		}
		entries = append(entries, e)
		b = b[head.size:]
	}
	return entries
}

// cutFields returns the bytes of so many fields.
func cutFields(b []byte, n int) []byte {
	size := 0
	for range n {
		size += 4 + int(binary.NativeEndian.Uint32(b[size:]))
	}
	return b[:size]
}

// unique calls found with each distinct value of a field, until it returns
// false. The values are those of all entries, whatever matches are set.
func (h *handle) unique(field string, found func(value []byte) bool) error {
	if h.buf == nil {
		h.buf = make([]byte, fillSize)
	}
	restart := C.int(1)
	for {
		var used C.uint64_t
		var more C.int
		err := h.call("search", func() C.int {
			name := C.CString(field)
			defer C.free(unsafe.Pointer(name))
			return C.ev_unique(h.j, name, restart, unsafe.Pointer(unsafe.SliceData(h.buf)), C.size_t(len(h.buf)), &used, &more)
		})
		if err != nil {
			return err
		}
		if err := h.look(); err != nil {
			return err
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
