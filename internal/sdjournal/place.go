//go:build systemd && cgo

package sdjournal

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
)

// Key is what an entry is recognized by: it stays the same when journald copies the
// entry to another file.
type Key struct {
	Boot      [16]byte
	Monotonic uint64 // µs since the boot
	Realtime  uint64 // µs since the epoch, when journald received the entry
	Hash      uint64 // over all fields
}

// Place is the position of an entry in the order of the journal.
type Place struct {
	Key
	Source [16]byte // of the sequence number
	Seqnum uint64   // 0: unknown
	Twin   uint32   // for the caller, which may number entries with the same key
	Now    bool     // it is of this host's present boot
}

// Compare orders two entries as the journal does: by number if the same journald
// numbered both, otherwise by the clock since the boot if both are of the same boot,
// otherwise by the wall clock. But on this host, entries of the present boot are after
// all others, since the clock may have been behind when it began. The C code uses the
// same order.
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

// Text returns the journal's cursor for the place. Without the number of the entry it
// stays valid when the entry is copied to another file.
func (p *Place) Text() string {
	text := fmt.Sprintf("b=%s;m=%x;t=%x;x=%x", hex.EncodeToString(p.Boot[:]), p.Monotonic, p.Realtime, p.Hash)
	if p.Seqnum == 0 {
		return text
	}
	return fmt.Sprintf("s=%s;i=%x;%s", hex.EncodeToString(p.Source[:]), p.Seqnum, text)
}
