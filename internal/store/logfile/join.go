package logfile

import (
	"bytes"
	"time"
)

// verdict is what is known about a file that replaced another.
type verdict int

const (
	joined    verdict = iota // it continues the other at the offset
	lost                     // files came and went in between, or this is not certain
	unsettled                // it is still being filled: try again
)

// joiner finds the offset at which a new generation continues an old one. It goes by
// content: neither markers nor inodes prove anything.
type joiner struct {
	old    *generation
	oldEnd int64 // after the last whole line, up to which everything was delivered
	new    *generation
	isNext bool // the new one became the log directly after the old one was set aside
}

// join returns the offset in the new generation of the first event that is not in the
// old one.
func (j *joiner) join() (int64, verdict, error) {
	if j.isNext {
		return 0, joined, nil
	}
	if j.oldEnd > 0 {
		off, v, err := j.byRotation()
		if err != nil || v != lost {
			return off, v, err
		}
		off, v, err = j.byLastLines()
		if err != nil || v != lost {
			return off, v, err
		}
	}
	return j.byWitness()
}

// byRotation looks for what Podman's rotation keeps of the old file: everything after
// the first newline in its second half. It is at the start of the new file, or after
// one marker.
func (j *joiner) byRotation() (int64, verdict, error) {
	oldSize, err := j.old.size()
	if err != nil {
		return 0, lost, err
	}
	kept, err := j.old.lineStart(oldSize / 2)
	if err != nil {
		return 0, lost, err
	}
	newSize, err := j.new.size()
	if err != nil || kept >= j.oldEnd {
		return 0, lost, err
	}
	starts := []int64{0}
	if marker, err := j.new.markerLength(); err != nil {
		return 0, lost, err
	} else if marker > 0 {
		starts = append(starts, marker)
	}
	for _, start := range starts {
		same, err := sameBytes(j.old, kept, j.new, start, min(oldSize-kept, newSize-start))
		if err != nil {
			return 0, lost, err
		}
		switch {
		case !same:
		case newSize-start >= oldSize-kept:
			// A torn last line of the old file is part of what was kept, and may have
			// been completed since.
			return start + j.oldEnd - kept, joined, nil
		case j.new.isYoung():
			return 0, unsettled, nil
		}
	}
	return 0, lost, nil
}

// isYoung reports whether Podman may still be copying into the file, as it does where
// it cannot rename: the file was created just now.
func (g *generation) isYoung() bool {
	id, stat, err := g.disk.of(g.f)
	if err != nil {
		return false
	}
	born := time.Unix(0, id.birth)
	if id.birth == 0 {
		born = time.Unix(stat.Ctime.Sec, int64(stat.Ctime.Nsec))
	}
	age := time.Since(born) // negative if the clock was set back since
	return stat.Nlink > 0 && age >= 0 && age <= settleTime
}

// lineStart returns the offset of the first line that begins after off.
func (g *generation) lineStart(off int64) (int64, error) {
	buf := make([]byte, 4<<10)
	for {
		b, err := g.readAt(buf, off)
		if err != nil || len(b) == 0 {
			return off, err
		}
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return off + int64(i) + 1, nil
		}
		off += int64(len(b))
	}
}

// markerLength returns the length of the first line if it is a rotation marker,
// otherwise 0.
func (g *generation) markerLength() (int64, error) {
	b, err := g.readAt(make([]byte, 16<<10), 0)
	if err != nil {
		return 0, err
	}
	n := bytes.IndexByte(b, '\n')
	var d decoded
	if n < 0 {
		return 0, nil
	}
	if found, _ := d.decode(b[:n]); !found || !isMarker(&d.fields) {
		return 0, nil
	}
	return int64(n) + 1, nil
}

// sameBytes compares n bytes of two files.
func sameBytes(a *generation, aOff int64, b *generation, bOff, n int64) (bool, error) {
	var bufs [2][32 << 10]byte
	for n > 0 {
		want := min(n, int64(len(bufs[0])))
		x, err := a.readAt(bufs[0][:want], aOff)
		if err != nil {
			return false, err
		}
		y, err := b.readAt(bufs[1][:want], bOff)
		if err != nil || int64(len(x)) != want || !bytes.Equal(x, y) {
			return false, err
		}
		aOff, bOff, n = aOff+want, bOff+want, n-want
	}
	return true, nil
}

// byLastLines looks for the last event of the old file in the new one, preceded by the
// same events as in the old. It joins a file that is not the direct successor, but
// still contains the end of what was read.
func (j *joiner) byLastLines() (int64, verdict, error) {
	last, err := j.old.lastEvents(j.oldEnd, alignEvents)
	if err != nil || len(last) == 0 {
		return 0, lost, err
	}
	var places []int64
	err = j.new.search(fractionPattern(last[0].time), last[0].time, func(text []byte, _, end int64) bool {
		var d decoded
		if found, _ := d.decode(text); found && d.fields.Time == last[0].time && d.hash == last[0].hash {
			places = append(places, end)
		}
		return true
	})
	if err != nil {
		return 0, lost, err
	}
	var matched []int64
	for _, end := range places {
		before, err := j.new.lastEvents(end, len(last))
		if err != nil {
			return 0, lost, err
		}
		same := true
		for i := range before {
			same = same && before[i].sameContent(last[i])
		}
		// With fewer events than are compared, they have to be all that the file has.
		if same {
			matched = append(matched, end)
		}
	}
	if len(matched) != 1 {
		return 0, lost, nil
	}
	return matched[0], joined, nil
}

// alignEvents is how many events before a place must be equal for it to count as the
// same.
const alignEvents = 4

// lastEvents returns up to n events before off, newest first, without
// markers.
func (g *generation) lastEvents(off int64, n int) ([]identity, error) {
	lines := g.back(off)
	var d decoded
	var ids []identity
	for len(ids) < n {
		b, _, ok, err := lines.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if found, _ := d.decode(b); found && !isMarker(&d.fields) {
			ids = append(ids, identity{time: d.fields.Time, hash: d.hash})
		}
	}
	return ids, nil
}

// byWitness accepts a file with nothing of the old one as its successor if it is
// certain that no other came between: the kernel has reported exactly one file that
// appeared at the path.
func (j *joiner) byWitness() (int64, verdict, error) {
	switch {
	case j.new.early && j.new.isYoung():
		return 0, unsettled, nil
	case !j.new.direct:
		return 0, lost, nil
	}
	// Events that were in the old file must not be delivered again.
	again, err := j.holdsOldEvents()
	if again || err != nil {
		return 0, lost, err
	}
	return 0, joined, nil
}

// holdsOldEvents reports whether an event at the start of the new file is one of the
// old: lines were deleted, or whatever copies the log was delayed.
func (j *joiner) holdsOldEvents() (bool, error) {
	c, _, err := j.new.readChunk(nil, 0, 1<<62)
	if err != nil || len(c.data) == 0 {
		return false, err
	}
	var d decoded
	first := make(map[identity]struct{})
	for data := c.data; len(data) > 0; {
		n := bytes.IndexByte(data, '\n')
		if found, _ := d.decode(data[:n]); found && !isMarker(&d.fields) {
			first[identity{time: d.fields.Time, hash: d.hash}] = struct{}{}
		}
		data = data[n+1:]
	}
	if len(first) == 0 {
		return false, nil
	}
	again := false
	err = j.old.search(nil, anyTime, func(text []byte, _, _ int64) bool {
		if found, _ := d.decode(text); found {
			_, again = first[identity{time: d.fields.Time, hash: d.hash}]
		}
		return !again
	})
	return again, err
}
