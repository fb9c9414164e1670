//go:build systemd && cgo

package sdjournal

import "testing"

func TestPlace_order(t *testing.T) {
	at := func(source byte, seqnum uint64, boot byte, monotonic, realtime uint64) *Place {
		p := &Place{Seqnum: seqnum}
		p.Source[0], p.Boot[0], p.Monotonic, p.Realtime = source, boot, monotonic, realtime
		return p
	}
	for _, c := range []struct {
		name          string
		before, after *Place
	}{
		{"by number where one journald gave it", at(1, 1, 1, 9, 9), at(1, 2, 1, 1, 1)},
		{"by the clock since the boot between journals of one boot", at(1, 9, 1, 1, 9), at(2, 1, 1, 2, 1)},
		{"by the clock between boots", at(1, 9, 1, 9, 1), at(2, 1, 2, 1, 2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before.Compare(c.after) >= 0 || c.after.Compare(c.before) <= 0 || c.after.Compare(c.after) != 0 {
				t.Error("they are not in order")
			}
		})
	}
}
