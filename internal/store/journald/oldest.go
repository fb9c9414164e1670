//go:build systemd && cgo

package journald

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// header is what the head of a journal file says of it (systemd's
// JOURNAL_FILE_FORMAT, which is stable).
type header struct {
	source           [16]byte // of the sequence numbers
	tailSeq, headSeq uint64
	headTime         uint64 // µs since the epoch, 0: it has no entries
}

const headerSize = 208

// readHeader reads the head of a journal file.
func readHeader(f io.ReaderAt) (h header, ok bool) {
	var b [headerSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil || string(b[:8]) != "LPKSHHRH" {
		return h, false
	}
	copy(h.source[:], b[72:])
	h.tailSeq, h.headSeq = binary.LittleEndian.Uint64(b[160:]), binary.LittleEndian.Uint64(b[168:])
	h.headTime = binary.LittleEndian.Uint64(b[184:])
	return h, true
}

// oldest is how far the journal of this host reaches back, by the files of the
// system, all of which rotate together with those of the users. Vacuuming
// removes the oldest files first; so what came behind an entry that is younger
// than the oldest of these files is all there.
type oldest struct {
	known  bool
	header header // of the oldest file
	seen   uint64 // when all that there was had been read, in µs since the epoch

	active  *os.File // the file that journald wrote to
	tailSeq uint64   // of its last entry that was read
	source  [16]byte
}

// look reads the heads of the files. It tells whether the oldest is younger
// than what has been read, so that older ones may have come and gone.
func (o *oldest) look(d *dirs) (younger bool) {
	o.close()
	o.known = false
	if !d.host {
		return false
	}
	for range retries {
		now := &dirs{roots: d.roots, host: true}
		now.check()
		if o.read(now) {
			break
		}
	}
	return o.known && o.seen != 0 && o.header.headTime > o.seen
}

// read reads the heads of the files that are listed. It returns false if one has
// got another name since.
func (o *oldest) read(d *dirs) bool {
	o.close()
	o.known = false
	for dir, l := range d.known {
		for name := range l.files {
			if name != "system.journal" && !strings.HasPrefix(name, "system@") {
				continue
			}
			f, err := os.Open(filepath.Join(dir, name))
			if os.IsNotExist(err) {
				return false
			}
			if err != nil {
				continue
			}
			h, ok := readHeader(f)
			if ok && h.headTime != 0 && (!o.known || h.headTime < o.header.headTime) {
				o.known, o.header = true, h
			}
			if name == "system.journal" && (o.active == nil || strings.HasPrefix(dir, hostRoots[1])) {
				o.close()
				o.active = f
				continue
			}
			_ = f.Close()
		}
	}
	return true
}

// noteTail notes the last entry of the file that journald writes to. It is
// asked before that is read to its end.
func (o *oldest) noteTail() {
	o.tailSeq = 0
	if o.active == nil {
		return
	}
	if h, ok := readHeader(o.active); ok {
		o.tailSeq, o.source = h.tailSeq, h.source
	}
}

// continues tells whether the oldest file begins with the entry that followed
// the last one that was read of the file before.
func (o *oldest) continues(before *oldest) bool {
	return before.tailSeq != 0 && o.header.source == before.source && o.header.headSeq <= before.tailSeq+1
}

func (o *oldest) close() {
	if o.active != nil {
		_ = o.active.Close()
		o.active = nil
	}
}

// reaches tells whether nothing that came behind the time has been vacuumed, as
// far as the files tell.
func (o *oldest) reaches(realtime uint64) bool { return !o.known || o.header.headTime <= realtime }
