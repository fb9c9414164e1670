package logfile

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/eventsvc/eventsvc/events"
)

// A cursor of this store names an event by its content. So the event is found again in
// whatever file rotation has moved it to, and every reader gets the same string for it:
//
//	f KIND TIME-AND-HASH CHECK [.TWIN.GENERATION] [@GENERATION.OFFSET]
//
// KIND is one letter. TIME-AND-HASH is the event's time in nanoseconds and the 64-bit
// xxHash of its line, 16 bytes in base64. CHECK is two letters over all but the hint;
// they distinguish a mangled cursor from one whose event is gone.
//
// TWIN numbers events that are equal to the byte, including the nanosecond, and near
// each other. The number is only meaningful within its generation. GENERATION is that
// generation's name mixed with the number and with the part before it, so that the
// number cannot be changed.
//
// The part after '@' is a hint, present only in a cursor for a position rather than an
// event. It saves the search, and is checked against the content at that place before
// it is used. Numbers are decimal without leading zeros; every place has exactly one
// spelling.
type cursor struct {
	kind   byte
	id     identity
	genID  uint64 // generation of the twin, or of the origin; 0: none
	hinted bool
	hint   hint
}

// identity is what an event is recognized by.
type identity struct {
	time int64
	hash uint64
	twin uint32 // how many equal events are shortly before it
}

func (i identity) sameContent(o identity) bool { return i.time == o.time && i.hash == o.hash }

// hint says where a position was when the cursor was made.
type hint struct {
	genID uint64
	off   int64
}

// The kinds of position.
const (
	kindAfter  byte = 'a' // right after the event
	kindBefore byte = 'b' // right before the event
	kindOrigin byte = 'o' // before the first event of a log that has had none
)

const (
	cursorPrefix = 'f'
	idLength     = 22 // 16 bytes in base64
	checkLength  = 2
	genLength    = 11 // 8 bytes in base64
)

var base64Cursor = base64.RawURLEncoding

// appendEventCursor appends the cursor of an event. It is the same whenever the event
// is read.
func appendEventCursor(dst []byte, id identity, genID uint64) []byte {
	return appendCursor(dst, cursor{kind: kindAfter, id: id, genID: genID})
}

// hashOf returns the hash in the cursor of an event: that of its line in the file. The
// line in the record may differ.
func hashOf(cursor []byte) uint64 {
	var raw [16]byte
	_, _ = base64Cursor.Decode(raw[:], cursor[2:2+idLength])
	return binary.BigEndian.Uint64(raw[8:])
}

func appendCursor(dst []byte, c cursor) []byte {
	start := len(dst)
	dst = append(dst, cursorPrefix, c.kind)
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(c.id.time))
	binary.BigEndian.PutUint64(raw[8:], c.id.hash)
	dst = base64Cursor.AppendEncode(dst, raw[:])
	head := len(dst)
	dst = append(dst, "##"...) // placeholder for CHECK
	if c.id.twin > 0 || c.kind == kindOrigin {
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, uint64(c.id.twin), 10)
		dst = append(dst, '.')
		dst = appendGeneration(dst, c.genID^mixOf(dst[start:head], c.id.twin))
	}
	sum := check(dst[start:head], dst[head+checkLength:])
	copy(dst[head:], sum[:])
	if c.hinted {
		dst = append(dst, '@')
		dst = appendGeneration(dst, c.hint.genID)
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, c.hint.off, 10)
	}
	return dst
}

func appendGeneration(dst []byte, id uint64) []byte {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], id)
	return base64Cursor.AppendEncode(dst, raw[:])
}

// check returns two letters over the parts before and after them.
func check(head, twin []byte) [checkLength]byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	sum := xxhash.Sum64(head)
	if len(twin) > 0 {
		sum ^= xxhash.Sum64(twin) | 1 // never the same as without a twin
	}
	return [checkLength]byte{letters[sum&63], letters[sum>>6&63]}
}

// mixOf returns what the generation of a twin is mixed with.
func mixOf(head []byte, twin uint32) uint64 {
	d := xxhash.NewWithSeed(uint64(twin))
	_, _ = d.Write(head)
	return d.Sum64()
}

// parseCursor parses a cursor made by appendCursor; for any other text the error is an
// *events.CursorError.
func parseCursor(text string) (cursor, error) {
	var c cursor
	fail := func(reason string) (cursor, error) {
		return cursor{}, &events.CursorError{Cursor: text, Reason: reason}
	}
	const length = 2 + idLength + checkLength
	if len(text) < length || text[0] != cursorPrefix {
		return fail("it is not a cursor of a log file; give one that this service sent")
	}
	head, sum := text[:2+idLength], text[2+idLength:length]
	rest, hintText, hinted := strings.Cut(text[length:], "@")
	raw, err := base64Cursor.Strict().DecodeString(head[2:])
	if want := check([]byte(head), []byte(rest)); err != nil || len(raw) != 16 || sum != string(want[:]) {
		return fail("it is damaged; give it as this service sent it")
	}
	c.kind = head[1]
	if c.kind != kindAfter && c.kind != kindBefore && c.kind != kindOrigin {
		return fail("it is of a later version of this service")
	}
	c.id.time, c.id.hash = int64(binary.BigEndian.Uint64(raw[:8])), binary.BigEndian.Uint64(raw[8:])
	ok := true
	if rest != "" || c.kind == kindOrigin {
		c.id.twin, c.genID, ok = parseTwin(rest)
		c.genID ^= mixOf([]byte(head), c.id.twin)
	}
	if c.hinted = hinted; hinted {
		genText, offText, found := strings.Cut(hintText, ".")
		var okGen bool
		c.hint.genID, okGen = parseGeneration(genText)
		c.hint.off, err = strconv.ParseInt(offText, 10, 64)
		ok = ok && found && okGen && err == nil && c.hint.off >= 0
	}
	// A cursor has one spelling, so that cursors can be compared as strings.
	if !ok || string(appendCursor(nil, c)) != text {
		return fail("it is damaged; give it as this service sent it")
	}
	return c, nil
}

func parseTwin(text string) (twin uint32, genID uint64, ok bool) {
	text, dotted := strings.CutPrefix(text, ".")
	twinText, genText, found := strings.Cut(text, ".")
	n, err := strconv.ParseUint(twinText, 10, 32)
	genID, ok = parseGeneration(genText)
	return uint32(n), genID, dotted && found && err == nil && ok
}

func parseGeneration(text string) (uint64, bool) {
	if len(text) != genLength {
		return 0, false
	}
	raw, err := base64Cursor.Strict().DecodeString(text)
	if err != nil || len(raw) != 8 { // the decoder ignores line breaks
		return 0, false
	}
	return binary.BigEndian.Uint64(raw), true
}

// hashLine is the hash that an identity holds, of a line without its newline.
func hashLine(b []byte) uint64 { return xxhash.Sum64(b) }

// twinWindow is how many events back an equal one is looked for. Podman never writes
// two equal events; a program that does writes them near each other.
const twinWindow = 64

// twins numbers equal events. Its state depends only on the last twinWindow events, and
// on the numbers of equal ones among them.
type twins struct {
	n    int
	ring [twinWindow]identity
	// seen maps the lowest bits of a hash to the lowest bits of the number of the last
	// event with such a hash. It may mistake an old event for a new one, never the
	// reverse.
	seen [512]uint16
}

// next returns the identity of the next event.
func (t *twins) next(time int64, hash uint64) identity {
	id := identity{time: time, hash: hash}
	seen := &t.seen[hash%uint64(len(t.seen))]
	if uint16(t.n)-*seen <= twinWindow {
		for back := 1; back <= min(t.n, twinWindow); back++ {
			if other := &t.ring[(t.n-back)%twinWindow]; other.time == time && other.hash == hash {
				id.twin = other.twin + 1
				break
			}
		}
	}
	*seen = uint16(t.n)
	t.ring[t.n%twinWindow] = id
	t.n++
	return id
}

// last returns the identity of the newest event, if there is one.
func (t *twins) last() (identity, bool) {
	if t.n == 0 {
		return identity{}, false
	}
	return t.ring[(t.n-1)%twinWindow], true
}
