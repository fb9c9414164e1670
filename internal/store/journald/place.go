//go:build systemd && cgo

package journald

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
)

// key is what an entry is recognized by: it goes with the entry when journald
// copies it from one file to another.
type key struct {
	boot      [16]byte
	monotonic uint64 // µs since the boot
	realtime  uint64 // µs since the epoch, when journald took the entry
	hash      uint64 // over all fields
}

// place is where an entry stands in the order of the journal.
type place struct {
	key
	source [16]byte // of the sequence number
	seqnum uint64
	twin   uint32 // how many entries of the same key are right before it
	now    bool   // it is of the boot that this host is in
}

// compare orders two entries as the journal does: by number if one journald
// numbered both, else by the clock since the boot if both are of one boot, else
// by the clock. But on this host what is of the present boot comes after all
// others, as the clock may have been behind when it began. C has the same order.
func (p *place) compare(q *place) int {
	if p.source == q.source && p.seqnum != q.seqnum {
		return cmp.Compare(p.seqnum, q.seqnum)
	}
	if p.boot == q.boot && p.monotonic != q.monotonic {
		return cmp.Compare(p.monotonic, q.monotonic)
	}
	if p.now != q.now {
		if p.now {
			return 1
		}
		return -1
	}
	if p.realtime != q.realtime {
		return cmp.Compare(p.realtime, q.realtime)
	}
	if p.boot == q.boot {
		return cmp.Compare(p.hash, q.hash)
	}
	return bytes.Compare(p.boot[:], q.boot[:])
}

// text is the cursor of the journal for the place. Without the number of the
// entry it survives that the entry is copied to another file.
func (p *place) text() string {
	text := fmt.Sprintf("b=%s;m=%x;t=%x;x=%x", hex.EncodeToString(p.boot[:]), p.monotonic, p.realtime, p.hash)
	if p.seqnum == 0 {
		return text
	}
	return fmt.Sprintf("s=%s;i=%x;%s", hex.EncodeToString(p.source[:]), p.seqnum, text)
}
