//go:build systemd && cgo

package sdjournal

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
)

// Key is what an entry is recognized by: it goes with the entry when journald
// copies it from one file to another.
type Key struct {
	Boot      [16]byte
	Monotonic uint64 // µs since the boot
	Realtime  uint64 // µs since the epoch, when journald took the entry
	Hash      uint64 // over all fields
}

// Place is where an entry stands in the order of the journal.
type Place struct {
	Key
	Source [16]byte // of the sequence number
	Seqnum uint64   // 0: not known
	Twin   uint32   // for the caller, who may number entries of the same key
	Now    bool     // it is of the boot that this host is in
}

// Compare orders two entries as the journal does: by number if one journald
// numbered both, else by the clock since the boot if both are of one boot, else
// by the clock. But on this host what is of the present boot comes after all
// others, as the clock may have been behind when it began. C has the same order.
func (p *Place) Compare(q *Place) int {
	if p.Source == q.Source && p.Seqnum != q.Seqnum {
		return cmp.Compare(p.Seqnum, q.Seqnum)
	}
	if p.Boot == q.Boot && p.Monotonic != q.Monotonic {
		return cmp.Compare(p.Monotonic, q.Monotonic)
	}
	if p.Now != q.Now {
		if p.Now {
			return 1
		}
		return -1
	}
	if p.Realtime != q.Realtime {
		return cmp.Compare(p.Realtime, q.Realtime)
	}
	if p.Boot == q.Boot {
		return cmp.Compare(p.Hash, q.Hash)
	}
	return bytes.Compare(p.Boot[:], q.Boot[:])
}

// Text is the cursor of the journal for the place. Without the number of the
// entry it survives that the entry is copied to another file.
func (p *Place) Text() string {
	text := fmt.Sprintf("b=%s;m=%x;t=%x;x=%x", hex.EncodeToString(p.Boot[:]), p.Monotonic, p.Realtime, p.Hash)
	if p.Seqnum == 0 {
		return text
	}
	return fmt.Sprintf("s=%s;i=%x;%s", hex.EncodeToString(p.Source[:]), p.Seqnum, text)
}
