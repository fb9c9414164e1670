package filter

import (
	"slices"
	"strconv"
	"strings"
)

// TypeCode numbers the known types, so that a set of them fits into one machine word.
// Code 0 stands for all unknown words. The numbers may change with each build: they are
// never stored or sent.
type TypeCode uint8

// StatusCode numbers the known statuses, as TypeCode does the types.
type StatusCode uint8

// typeWords and statusWords are the only table of these words: the index of a word is
// its code. Both are sorted, and a test compares them with the enums of
// io.podman.events.varlink.
var (
	typeWords = [...]string{
		"", "artifact", "container", "image", "machine", "network", "pod", "secret", "system", "volume",
	}
	statusWords = [...]string{
		"", "attach", "auto-update", "build", "checkpoint", "cleanup", "commit", "connect", "copy", "create", "died",
		"disconnect", "exec", "exec_died", "export", "health_status", "history", "import", "init", "kill", "loadfromarchive",
		"log-rotation", "mount", "pause", "prune", "pull", "pull-error", "push", "refresh", "remove", "rename", "renumber", "restart", "restore",
		"save", "start", "stop", "sync", "tag", "unmount", "unpause", "untag", "update",
	}

	typeCodes   codeTable
	statusCodes codeTable
	typeWire    [len(typeWords)]string
	statusWire  [len(statusWords)]string
)

func init() {
	typeWire[0], statusWire[0] = unknownWord, unknownWord
	for code, word := range typeWords[1:] {
		typeCodes.add(word, uint8(code+1))
		typeWire[code+1] = wireName(word)
	}
	for code, word := range statusWords[1:] {
		statusCodes.add(word, uint8(code+1))
		statusWire[code+1] = wireName(word)
	}
}

// codeTable finds the code of a word. It is a hash table like a map, but takes a
// fraction of the time with so few and short words. That matters because the words of
// every line of a log are looked up.
type codeTable struct {
	slots [256]uint8 // codes, 0: empty
	words [64]string // by code
}

func slotOf[T ~string | ~[]byte](word T) uint8 {
	n := len(word)
	return word[0]*3 + word[n/2]*7 + word[n-1]*13 + uint8(n)*17
}

func (t *codeTable) add(word string, code uint8) {
	slot := slotOf(word)
	for t.slots[slot] != 0 {
		slot++
	}
	t.slots[slot], t.words[code] = code, word
}

func codeIn[T ~string | ~[]byte](t *codeTable, word T) uint8 {
	if len(word) == 0 {
		return 0
	}
	for slot := slotOf(word); ; slot++ {
		code := t.slots[slot]
		if code == 0 || t.words[code] == string(word) {
			return code
		}
	}
}

// unknownWord is the member of the Varlink enums for a word of a newer libpod.
const unknownWord = "unknown"

// wireName spells a word of libpod as a member of a Varlink enum, in which '-' is not
// allowed.
func wireName(word string) string { return strings.ReplaceAll(word, "-", "_") }

// CodeOfType returns the code of a word as libpod spells it, 0 if it is unknown.
func CodeOfType[T ~string | ~[]byte](word T) TypeCode { return TypeCode(codeIn(&typeCodes, word)) }

// CodeOfStatus returns the code of a word as libpod spells it, 0 if it is unknown.
func CodeOfStatus[T ~string | ~[]byte](word T) StatusCode {
	return StatusCode(codeIn(&statusCodes, word))
}

// String returns the word for the code, "" for code 0.
func (c TypeCode) String() string { return typeWords[c] }

// String returns the word for the code, "" for code 0.
func (c StatusCode) String() string { return statusWords[c] }

// Varlink returns the member of the enum EventType for the code, "unknown" for
// code 0.
func (c TypeCode) Varlink() string { return typeWire[c] }

// Varlink returns the member of the enum EventStatus for the code, "unknown"
// for code 0.
func (c StatusCode) Varlink() string { return statusWire[c] }

// Types returns all known types, sorted.
func Types() []string { return typeWords[1:] }

// Statuses returns all known statuses, sorted.
func Statuses() []string { return statusWords[1:] }

// TypeOf returns the code of a word, in libpod's spelling or the Varlink enum's; 0 if
// it is unknown.
func TypeOf(word string) TypeCode {
	return TypeCode(max(slices.Index(typeWords[1:], word), slices.Index(typeWire[1:], word)) + 1)
}

// StatusOf returns the code of a word, in libpod's spelling or the Varlink enum's, or
// "die", which means "died"; 0 if it is unknown.
func StatusOf(word string) StatusCode {
	if word == "die" {
		return diedCode
	}
	return StatusCode(max(slices.Index(statusWords[1:], word), slices.Index(statusWire[1:], word)) + 1)
}

// UnknownWord returns the error text for an unknown word. nearest is the word that is
// probably meant, "" if none is near.
func UnknownWord(kind, word, nearest string) string {
	text := "unknown " + kind + " " + strconv.Quote(word)
	if nearest != "" {
		text += ", did you mean " + strconv.Quote(nearest) + "?"
	}
	return text
}
