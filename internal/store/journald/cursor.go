//go:build systemd && cgo

package journald

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
)

// A cursor of this store names an entry by its key, as journald's own cursor does, but
// without the number, which changes when an entry is copied to another file:
//
//	j KIND KEY CHECK [.TWIN]
//
// KIND is one letter. KEY is the ID of the boot, the two clocks and the hash, 40 bytes
// in base64. CHECK is two letters over all the rest; they distinguish a mangled cursor
// from one whose entry is gone. TWIN numbers entries that are equal in all of this,
// which only imported journals contain.
type cursor struct {
	kind byte
	key  sdjournal.Key
	twin uint32
}

// The kinds of position.
const (
	kindAfter  byte = 'a' // right after the entry
	kindBefore byte = 'b' // right before the entry
	kindOrigin byte = 'o' // of a journal without entries of podman, at the time in the key
)

const (
	cursorPrefix = 'j'
	keySize      = 16 + 3*8
	keyLength    = (keySize*8 + 5) / 6
	checkLength  = 2
)

var base64Cursor = base64.RawURLEncoding

func appendCursor(dst []byte, kind byte, k *sdjournal.Key, twin uint32) []byte {
	start := len(dst)
	dst = append(dst, cursorPrefix, kind)
	var raw [keySize]byte
	copy(raw[:], k.Boot[:])
	binary.BigEndian.PutUint64(raw[16:], k.Monotonic)
	binary.BigEndian.PutUint64(raw[24:], k.Realtime)
	binary.BigEndian.PutUint64(raw[32:], k.Hash)
	dst = base64Cursor.AppendEncode(dst, raw[:])
	sum := check(dst[start:], twin)
	dst = append(dst, sum[:]...)
	if twin > 0 {
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, uint64(twin), 10)
	}
	return dst
}

// check returns two letters over the part before them, and the twin.
func check(head []byte, twin uint32) [checkLength]byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	d := xxhash.NewWithSeed(uint64(twin))
	_, _ = d.Write(head)
	sum := d.Sum64()
	return [checkLength]byte{letters[sum&63], letters[sum>>6&63]}
}

// parseCursor parses a cursor made by appendCursor; for any other text the error is an
// *events.CursorError.
func parseCursor(text string) (cursor, error) {
	var c cursor
	fail := func(reason string) (cursor, error) {
		return cursor{}, &events.CursorError{Cursor: text, Reason: reason}
	}
	const length = 2 + keyLength + checkLength
	if len(text) < length || text[0] != cursorPrefix {
		return fail("it is not a cursor of a journal; give one that this service sent")
	}
	head, sum, rest := text[:2+keyLength], text[2+keyLength:length], text[length:]
	if rest != "" {
		digits, dotted := strings.CutPrefix(rest, ".")
		n, err := strconv.ParseUint(digits, 10, 32)
		if !dotted || err != nil || n == 0 || strconv.FormatUint(n, 10) != digits {
			return fail("it is damaged; give it as this service sent it")
		}
		c.twin = uint32(n)
	}
	raw, err := base64Cursor.Strict().DecodeString(head[2:])
	if want := check([]byte(head), c.twin); err != nil || len(raw) != keySize || sum != string(want[:]) { // the decoder ignores line breaks
		return fail("it is damaged; give it as this service sent it")
	}
	c.kind = head[1]
	if c.kind != kindAfter && c.kind != kindBefore && c.kind != kindOrigin {
		return fail("it is of a later version of this service")
	}
	copy(c.key.Boot[:], raw)
	c.key.Monotonic = binary.BigEndian.Uint64(raw[16:])
	c.key.Realtime = binary.BigEndian.Uint64(raw[24:])
	c.key.Hash = binary.BigEndian.Uint64(raw[32:])
	return c, nil
}
