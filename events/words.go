package events

import "strings"

// Type is the kind of object that an event is about, in libpod's spelling.
type Type string

// The types of libpod (libpod/events/config.go) up to Podman 5.8, and artifact.
const (
	Artifact  Type = "artifact"
	Container Type = "container"
	Image     Type = "image"
	Machine   Type = "machine"
	Network   Type = "network"
	Pod       Type = "pod"
	Secret    Type = "secret"
	System    Type = "system"
	Volume    Type = "volume"
)

// Status is what happened, in libpod's spelling.
type Status string

// The statuses of libpod (libpod/events/config.go) up to Podman 5.8.
const (
	Attach            Status = "attach"
	AutoUpdate        Status = "auto-update"
	Build             Status = "build"
	Checkpoint        Status = "checkpoint"
	Cleanup           Status = "cleanup"
	Commit            Status = "commit"
	NetworkConnect    Status = "connect"
	Copy              Status = "copy"
	Create            Status = "create"
	Exited            Status = "died"
	NetworkDisconnect Status = "disconnect"
	Exec              Status = "exec"
	ExecDied          Status = "exec_died"
	Export            Status = "export"
	HealthStatus      Status = "health_status"
	History           Status = "history"
	Import            Status = "import"
	Init              Status = "init"
	Kill              Status = "kill"
	LoadFromArchive   Status = "loadfromarchive"
	Rotate            Status = "log-rotation"
	Mount             Status = "mount"
	Pause             Status = "pause"
	Prune             Status = "prune"
	Pull              Status = "pull"
	PullError         Status = "pull-error"
	Push              Status = "push"
	Refresh           Status = "refresh"
	Remove            Status = "remove"
	Rename            Status = "rename"
	Renumber          Status = "renumber"
	Restart           Status = "restart"
	Restore           Status = "restore"
	Save              Status = "save"
	Start             Status = "start"
	Stop              Status = "stop"
	Sync              Status = "sync"
	Tag               Status = "tag"
	Unmount           Status = "unmount"
	Unpause           Status = "unpause"
	Untag             Status = "untag"
	Update            Status = "update"
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
	typeWords = [...]Type{
		"", Artifact, Container, Image, Machine, Network, Pod, Secret, System, Volume,
	}
	statusWords = [...]Status{
		"", Attach, AutoUpdate, Build, Checkpoint, Cleanup, Commit, NetworkConnect, Copy, Create, Exited,
		NetworkDisconnect, Exec, ExecDied, Export, HealthStatus, History, Import, Init, Kill, LoadFromArchive,
		Rotate, Mount, Pause, Prune, Pull, PullError, Push, Refresh, Remove, Rename, Renumber, Restart, Restore,
		Save, Start, Stop, Sync, Tag, Unmount, Unpause, Untag, Update,
	}

	typeCodes   codeTable
	statusCodes codeTable
	typeWire    [len(typeWords)]string
	statusWire  [len(statusWords)]string
)

func init() {
	typeWire[0], statusWire[0] = unknownWord, unknownWord
	for code, word := range typeWords[1:] {
		typeCodes.add(string(word), uint8(code+1))
		typeWire[code+1] = wireName(string(word))
	}
	for code, word := range statusWords[1:] {
		statusCodes.add(string(word), uint8(code+1))
		statusWire[code+1] = wireName(string(word))
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

// Type returns the word for the code, "" for code 0.
func (c TypeCode) Type() Type { return typeWords[c] }

// Status returns the word for the code, "" for code 0.
func (c StatusCode) Status() Status { return statusWords[c] }

// Varlink returns the member of the enum EventType for the code, "unknown" for
// code 0.
func (c TypeCode) Varlink() string { return typeWire[c] }

// Varlink returns the member of the enum EventStatus for the code, "unknown"
// for code 0.
func (c StatusCode) Varlink() string { return statusWire[c] }

// String returns libpod's word.
func (t Type) String() string { return string(t) }

// String returns libpod's word.
func (s Status) String() string { return string(s) }

// Varlink returns the member of the enum EventType for the type.
func (t Type) Varlink() string { return CodeOfType(t).Varlink() }

// Varlink returns the member of the enum EventStatus for the status.
func (s Status) Varlink() string { return CodeOfStatus(s).Varlink() }

// Types returns every type that this package knows, sorted.
func Types() []Type { return append([]Type(nil), typeWords[1:]...) }

// Statuses returns every status that this package knows, sorted.
func Statuses() []Status { return append([]Status(nil), statusWords[1:]...) }

// StringToType returns the type for a word, libpod's or that of the Varlink
// enum. An unknown word is a *WordError, an empty one ErrEventTypeBlank.
func StringToType(word string) (Type, error) {
	if word == "" {
		return "", ErrEventTypeBlank
	}
	for _, t := range typeWords[1:] {
		if word == string(t) || word == t.Varlink() {
			return t, nil
		}
	}
	return "", newWordError("event type", word, typeNames())
}

// StringToStatus returns the status for a word, libpod's or that of the
// Varlink enum; "die" is understood as "died". An unknown word is a *WordError,
// an empty one ErrEventStatusBlank.
func StringToStatus(word string) (Status, error) {
	switch word {
	case "":
		return "", ErrEventStatusBlank
	case "die":
		return Exited, nil
	}
	for _, s := range statusWords[1:] {
		if word == string(s) || word == s.Varlink() {
			return s, nil
		}
	}
	return "", newWordError("event status", word, statusNames())
}

func typeNames() []string {
	names := make([]string, 0, len(typeWords)-1)
	for _, t := range typeWords[1:] {
		names = append(names, string(t))
	}
	return names
}

func statusNames() []string {
	names := make([]string, 0, len(statusWords)-1)
	for _, s := range statusWords[1:] {
		names = append(names, string(s))
	}
	return names
}
