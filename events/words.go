package events

import "github.com/eventsvc/eventsvc/internal/filter"

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

// String returns libpod's word.
func (t Type) String() string { return string(t) }

// String returns libpod's word.
func (s Status) String() string { return string(s) }

// Varlink returns the member of the enum EventType for the type.
func (t Type) Varlink() string { return filter.CodeOfType(t).Varlink() }

// Varlink returns the member of the enum EventStatus for the status.
func (s Status) Varlink() string { return filter.CodeOfStatus(s).Varlink() }

// Types returns all known types, sorted.
func Types() []Type { return wordsOf[Type](filter.Types()) }

// Statuses returns all known statuses, sorted.
func Statuses() []Status { return wordsOf[Status](filter.Statuses()) }

func wordsOf[T ~string](texts []string) []T {
	words := make([]T, len(texts))
	for i, text := range texts {
		words[i] = T(text)
	}
	return words
}

// StringToType returns the type for a word, in libpod's spelling or the Varlink enum's.
// The error is a *WordError for an unknown word, ErrEventTypeBlank for an empty one.
func StringToType(word string) (Type, error) {
	if word == "" {
		return "", ErrEventTypeBlank
	}
	if code := filter.TypeOf(word); code != 0 {
		return Type(code.String()), nil
	}
	return "", newWordError("event type", word, filter.Types())
}

// StringToStatus returns the status for a word, in libpod's spelling or the Varlink
// enum's; "die" means "died". The error is a *WordError for an unknown word,
// ErrEventStatusBlank for an empty one.
func StringToStatus(word string) (Status, error) {
	if word == "" {
		return "", ErrEventStatusBlank
	}
	if code := filter.StatusOf(word); code != 0 {
		return Status(code.String()), nil
	}
	return "", newWordError("event status", word, filter.Statuses())
}
