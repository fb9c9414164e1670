// Package servicelog writes a service's log: in the journal each record is an entry
// with its attributes as fields; elsewhere it is a line, in the form of every command's
// messages. It does not know what is logged; internal/messageid has the kinds of
// messages that monitors match.
package servicelog

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// Levels are the words that ParseLevel accepts.
var Levels = []string{"debug", "info", "warn", "error"}

// ParseLevel parses a word of --log-level, in any case.
func ParseLevel(word string) (slog.Level, error) {
	switch strings.ToLower(word) {
	case "debug":
		return slog.LevelDebug, nil
	case "info", "":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error", "err":
		return slog.LevelError, nil
	}
	return 0, errors.Errorf("cannot use --log-level %q: give %s or %s", word, strings.Join(Levels[:len(Levels)-1], ", "),
		Levels[len(Levels)-1])
}

// New returns a logger for a program's service that writes records of a level and above
// to w; nil is slog.LevelInfo. It is safe for concurrent use.
func New(program string, w io.Writer, level slog.Leveler) *slog.Logger {
	if level == nil {
		level = slog.LevelInfo
	}
	out := &output{program: program, w: w, lines: IsJournal(w)}
	out.fields = out.lines && isSocket(w)
	return slog.New(&handler{out: out, level: level})
}

// IsJournal reports whether what is written to w goes to the journal. JOURNAL_STREAM
// identifies the file that the journal reads (systemd.exec(5)); the output of a child
// may have been redirected.
func IsJournal(w io.Writer) bool {
	file, ok := w.(*os.File)
	stream := os.Getenv("JOURNAL_STREAM")
	if !ok || stream == "" {
		return false
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	same := false
	_ = raw.Control(func(fd uintptr) {
		var st unix.Stat_t
		same = unix.Fstat(int(fd), &st) == nil &&
			stream == strconv.FormatUint(st.Dev, 10)+":"+strconv.FormatUint(st.Ino, 10)
	})
	return same
}

// isSocket reports whether a file is a socket, as journald's streams are.
func isSocket(w io.Writer) bool {
	entry, err := w.(*os.File).Stat()
	return err == nil && entry.Mode()&fs.ModeSocket != 0
}

// handler writes a line for each record: the message, the error, then the other
// attributes in brackets, without quotes.
type handler struct {
	out   *output
	level slog.Leveler
	attrs []slog.Attr
}

// output is where records are written.
type output struct {
	program string
	mu      sync.Mutex
	w       io.Writer
	lines   bool // lines for the journal, beginning with the priority as described in sd-daemon(3)
	fields  bool // records with fields, sent to the journal directly
}

// Enabled reports whether records of a level are written.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle writes a record.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	text := visible.Text(r.Message)
	var rest []string
	fields := map[string]string{"SYSLOG_IDENTIFIER": h.out.program}
	note := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		switch a.Key {
		case messageid.Key:
			fields[a.Key] = value
			return true
		case "error":
			text += ": " + visible.Text(value)
		default:
			if value != "" {
				rest = append(rest, visible.Text(a.Key+" "+value))
			}
		}
		fields[fieldName(a.Key)] = value
		return true
	}
	for _, a := range h.attrs {
		note(a)
	}
	r.Attrs(note)
	if len(rest) > 0 {
		text += " (" + strings.Join(rest, ", ") + ")"
	}
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	var err error
	switch {
	case h.out.fields && journal.Send(text, priority(r.Level), fields) == nil:
	case h.out.lines:
		_, err = fmt.Fprintf(h.out.w, "<%d>%s\n", priority(r.Level), text)
	default:
		_, err = fmt.Fprintf(h.out.w, "%s: %s%s\n", h.out.program, levelWord(r.Level), text)
	}
	return err
}

// levelWord returns the word at the start of a line of an unusual level.
func levelWord(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "error: "
	case level >= slog.LevelWarn:
		return "warning: "
	case level < slog.LevelInfo:
		return "debug: "
	}
	return ""
}

// fieldPrefix is the prefix of the journal fields for attributes.
const fieldPrefix = "EVENTSVC_"

// fieldName returns the journal field for an attribute: EVENTSVC_NOT_LOGGED for
// notLogged.
func fieldName(key string) string {
	name := []byte(fieldPrefix)
	for i, c := range []byte(key) {
		switch {
		case c >= 'A' && c <= 'Z':
			if i > 0 {
				name = append(name, '_')
			}
			name = append(name, c)
		case c >= 'a' && c <= 'z':
			name = append(name, c-'a'+'A')
		case c >= '0' && c <= '9':
			name = append(name, c)
		default:
			name = append(name, '_')
		}
	}
	return string(name)
}

// WithAttrs returns a handler that writes these attributes, too.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.out, h.level, append(slices.Clip(h.attrs), attrs...)}
}

// WithGroup returns the handler itself: groups are not shown.
func (h *handler) WithGroup(string) slog.Handler { return h }

// priority returns the priority of a level, as in syslog(3).
func priority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
