//go:build systemd && cgo

package sdjournal

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// header is the header of a journal file (systemd's JOURNAL_FILE_FORMAT, which is
// stable).
type header struct {
	source           [16]byte // of the sequence numbers
	tailSeq, headSeq uint64
	headTime         uint64 // µs since the epoch, 0: it has no entries
	begins           bool   // its numbers do not continue those of another file
}

const headerSize = 208

// readHeader reads the header of a journal file.
func readHeader(f io.ReaderAt) (h header, ok bool) {
	var b [headerSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil || string(b[:8]) != "LPKSHHRH" {
		return h, false
	}
	copy(h.source[:], b[72:])
	h.begins = string(b[24:40]) == string(b[72:88]) // the ID of the file
	h.tailSeq, h.headSeq = binary.LittleEndian.Uint64(b[160:]), binary.LittleEndian.Uint64(b[168:])
	h.headTime = binary.LittleEndian.Uint64(b[184:])
	return h, true
}

// Reach is how far the journal of this host reaches back, according to its files.
// Vacuuming removes the oldest files first, so everything after the header of a
// lineage's oldest file is there, as far as that lineage is concerned.
//
// A lineage is the files that replaced each other by rotation: the system's, and those
// of each user. The header of the system's always counts, because it is not known what
// was before it. That of a user's counts if there were earlier files: if it continues
// the numbers of one, or if one was seen to be removed. Otherwise it is the first file
// of a new user.
type Reach struct {
	known  bool
	header header // of the oldest file of the system, or of the user whose files are the only readable ones
	behind uint64 // everything after this time is there, in the lineages of users
	Seen   uint64 // when everything had been read, in µs since the epoch
	files  map[fileID]listedFile
	Older  int // counts how often files appeared with entries older than what had been read

	active  *os.File // the file that journald wrote to
	tailSeq uint64   // of its last entry that was read
	source  [16]byte
}

// listedFile is what a file's path alone shows.
type listedFile struct {
	lineage  string
	volatile bool   // it is in /run
	headTime uint64 // as in its header
}

// lineageOf returns what the names of files in one lineage have in common.
func lineageOf(name string) string {
	lineage, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(name, "~"), ".journal"), "@")
	return lineage
}

const systemLineage = "system"

// Look reads the headers of a reader's files. It reports whether the oldest is newer
// than what has been read, so that older ones may have been added and removed.
func (o *Reach) Look(r *Reader) (younger bool) {
	d := r.dirs
	if !d.host {
		return false
	}
	for range tries {
		now := &dirs{roots: d.roots, host: true}
		now.check()
		heads, files, ok := o.read(now)
		if !ok {
			continue
		}
		// A file that is renamed while a directory is listed may be missing from the
		// list.
		if changed, _ := now.check(); !changed {
			o.judge(heads, files)
			break
		}
	}
	return o.Seen != 0 && !o.Reaches(o.Seen)
}

// read reads the headers of the listed files, and returns those of the oldest file of
// each lineage. It returns false if a file has been renamed since.
func (o *Reach) read(d *dirs) (heads map[string]header, files map[fileID]listedFile, ok bool) {
	o.Close()
	heads = make(map[string]header)
	files = make(map[fileID]listedFile)
	for dir, l := range d.known {
		for name, ino := range l.files {
			lineage := lineageOf(name)
			volatile := strings.HasPrefix(dir, hostRoots[0])
			f, err := os.Open(filepath.Join(dir, name))
			if os.IsNotExist(err) {
				return nil, nil, false
			}
			if err != nil {
				files[fileID{l.id[0], ino}] = listedFile{lineage: lineage, volatile: volatile}
				continue
			}
			h, ok := readHeader(f)
			files[fileID{l.id[0], ino}] = listedFile{lineage: lineage, volatile: volatile, headTime: h.headTime}
			if old, there := heads[lineage]; ok && h.headTime != 0 && (!there || h.headTime < old.headTime) {
				heads[lineage] = h
			}
			if name == "system.journal" && (o.active == nil || !volatile) {
				o.Close()
				o.active = f
				continue
			}
			_ = f.Close()
		}
	}
	return heads, files, true
}

// judge determines from the headers of the lineages what is there.
func (o *Reach) judge(heads map[string]header, files map[fileID]listedFile) {
	o.header, o.known = heads[systemLineage]
	for lineage, h := range heads {
		if lineage == systemLineage {
			continue
		}
		// Newer journalds number all files alike: then the numbers show nothing.
		if o.known && !h.begins && h.source != o.header.source {
			o.behind = max(o.behind, h.headTime)
		}
		if !o.known && len(heads) == 1 {
			o.header, o.known = h, true
		}
	}
	for id, f := range files {
		if _, there := o.files[id]; !there && f.headTime != 0 && f.headTime <= o.Seen {
			o.Older++
			break
		}
	}
	flushed := true // what was in /run has been copied to /var
	for _, f := range files {
		flushed = flushed && !f.volatile
	}
	for id, f := range o.files {
		if _, there := files[id]; there || f.lineage == systemLineage || f.volatile && flushed {
			continue
		}
		if h, there := heads[f.lineage]; there {
			o.behind = max(o.behind, h.headTime)
		} else {
			o.behind = uint64(time.Now().UnixMicro())
		}
	}
	o.files = files
}

// NoteTail records the last entry of the file that journald writes to. Call it before
// that is read to its end.
func (o *Reach) NoteTail() {
	o.tailSeq = 0
	if o.active == nil {
		return
	}
	if h, ok := readHeader(o.active); ok {
		o.tailSeq, o.source = h.tailSeq, h.source
	}
}

// Continues reports whether the oldest file begins with the entry that followed the
// last one read of the previous file.
func (o *Reach) Continues(before *Reach) bool {
	return before.tailSeq != 0 && o.behind <= before.Seen && o.header.source == before.source && o.header.headSeq <= before.tailSeq+1
}

// KeepTail copies what another's NoteTail recorded.
func (o *Reach) KeepTail(of *Reach) { o.source, o.tailSeq = of.source, of.tailSeq }

// Close closes the file that it has open.
func (o *Reach) Close() {
	if o.active != nil {
		_ = o.active.Close()
		o.active = nil
	}
}

// Reaches reports whether nothing from after the time has been vacuumed, as far as the
// files show.
func (o *Reach) Reaches(realtime uint64) bool {
	return (!o.known || o.header.headTime <= realtime) && o.behind <= realtime
}
