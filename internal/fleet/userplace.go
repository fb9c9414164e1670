package fleet

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/eventsvc/eventsvc/internal/line"
)

// filePlace is the position of a collected line in a user's log. It ends the line as
// ,"Place":"file:LOG.OFFSET.HASH", in hexadecimal except for the offset.
type filePlace struct {
	offset int64 // after the line
	hash   uint64
}

// logKey identifies a user's log among those that are collected.
type logKey struct {
	uid  uint32
	path uint64 // hash of the path
}

func newLogKey(uid uint32, path string) logKey { return logKey{uid, xxhash.Sum64String(path)} }

// filePlaceMark cannot be a place in a stream, which has no colon.
const filePlaceMark = placeMember + "file:"

// appendFilePlace appends a line, which has an origin, with its place and a newline.
func appendFilePlace(dst []byte, key logKey, p filePlace) []byte {
	dst = append(dst[:len(dst)-1], filePlaceMark...)
	dst = strconv.AppendUint(dst, key.path, 16)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, p.offset, 10)
	dst = append(dst, '.')
	dst = strconv.AppendUint(dst, p.hash, 16)
	return append(dst, "\"}\n"...)
}

// cutFilePlace returns the log of a collected line, and its position there. ok is false
// for a line of another source.
func cutFilePlace(text []byte) (key logKey, p filePlace, ok bool) {
	at := bytes.LastIndex(text, []byte(filePlaceMark))
	if at < 0 {
		return key, p, false
	}
	value, found := bytes.CutSuffix(text[at+len(filePlaceMark):], []byte(`"}`))
	words := strings.Split(string(value), ".")
	if !found || len(words) != 3 {
		return key, p, false
	}
	_, uid := line.Origin(text)
	var errs [3]error
	key.path, errs[0] = strconv.ParseUint(words[0], 16, 64)
	p.offset, errs[1] = strconv.ParseInt(words[1], 10, 64)
	p.hash, errs[2] = strconv.ParseUint(words[2], 16, 64)
	key.uid = uint32(uid)
	return key, p, uid >= 0 && errs == [3]error{}
}

// keptPlace is one line of the state stored beside the log (Sink.KeepBy).
type keptPlace struct {
	UID    uint32
	Path   uint64
	Offset int64
	Hash   uint64
}

// keepEvery is after how many bytes of the log the places are stored, so that a user
// who has been quiet since does not require a search of the whole log: less than
// tailBytes, which is searched in any case.
const keepEvery = tailBytes / 2

// readPlaces returns up to where each user's log was collected: from its last line in
// the end of the collected log, otherwise from the stored state.
func readPlaces(sink *Sink) (map[logKey]filePlace, error) {
	places := map[logKey]filePlace{}
	kept, err := sink.Kept()
	if err != nil {
		return nil, err
	}
	most := int64(math.MaxInt64)
	if len(kept) > 0 {
		most = tailBytes
	}
	err = sink.Tail(most, func(text []byte) bool {
		if key, p, ok := cutFilePlace(text); ok {
			if _, newer := places[key]; !newer {
				places[key] = p
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	for text := range bytes.Lines(kept) {
		var k keptPlace
		if json.Unmarshal(text, &k) != nil {
			continue
		}
		key := logKey{k.UID, k.Path}
		if _, newer := places[key]; !newer {
			places[key] = filePlace{k.Offset, k.Hash}
		}
	}
	return places, nil
}

// encodePlaces returns the state that readPlaces reads.
func encodePlaces(places map[logKey]filePlace) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	for key, p := range places {
		if err := encoder.Encode(keptPlace{key.uid, key.path, p.offset, p.hash}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
