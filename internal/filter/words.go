package filter

import (
	"strconv"
	"strings"
)

// TypeCode numbers the types of this package, so that a set of them fits into
// one machine word. Code 0 stands for every word that this package does not
// know. The numbers may change from one build to the next: they are never
// stored and never sent.
type TypeCode uint8

// StatusCode numbers the statuses of this package, as TypeCode does the types.
type StatusCode uint8

// typeWords and statusWords are the one table of this vocabulary: the index of
// a word is its code. Both are sorted, and kept equal to the enums of
// io.podman.events.varlink by a test.
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

// codeTable finds the code of a word. It is a hash table like a map, but made for
// so few and so short words that it takes a fraction of the time: the words of
// every line of a log are looked up.
type codeTable struct {
	slots [256]uint8 // codes, 0: free
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

// unknownWord is the member of the Varlink enums that stands for a word of a
// newer libpod.
const unknownWord = "unknown"

// wireName spells a word of libpod as a member of a Varlink enum, in which '-'
// is not allowed.
func wireName(word string) string { return strings.ReplaceAll(word, "-", "_") }

// CodeOfType returns the code of a word as libpod spells it, 0 if this package
// does not know it.
func CodeOfType[T ~string | ~[]byte](word T) TypeCode { return TypeCode(codeIn(&typeCodes, word)) }

// CodeOfStatus returns the code of a word as libpod spells it, 0 if this
// package does not know it.
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

// Types returns every type that this package knows, sorted.
func Types() []string { return typeWords[1:] }

// Statuses returns every status that this package knows, sorted.
func Statuses() []string { return statusWords[1:] }

// TypeOf returns the code for a word, libpod's or that of the Varlink enum; 0 for
// another.
func TypeOf(word string) TypeCode {
	for code := TypeCode(1); int(code) < len(typeWords); code++ {
		if word == code.String() || word == code.Varlink() {
			return code
		}
	}
	return 0
}

// StatusOf returns the code for a word, libpod's or that of the Varlink enum, and
// for "die", which is "died"; 0 for another.
func StatusOf(word string) StatusCode {
	if word == "die" {
		return diedCode
	}
	for code := StatusCode(1); int(code) < len(statusWords); code++ {
		if word == code.String() || word == code.Varlink() {
			return code
		}
	}
	return 0
}

// UnknownWord is what is wrong with a word that has no code. nearest is the word
// that is probably meant, "" if none is near.
func UnknownWord(kind, word, nearest string) string {
	text := "unknown " + kind + " " + strconv.Quote(word)
	if nearest != "" {
		text += ", did you mean " + strconv.Quote(nearest) + "?"
	}
	return text
}
