package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/visible"
)

// The words of --log-level.
var logLevels = []string{"debug", "info", "warn", "error"}

// parseLogLevel understands a word of --log-level.
func parseLogLevel(word string) (slog.Level, error) {
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
	return 0, errors.Errorf("cannot use --log-level %q: give %s or %s", word, strings.Join(logLevels[:len(logLevels)-1], ", "),
		logLevels[len(logLevels)-1])
}

// newLog returns the log of a service. In the journal a line has the priority
// that goes with its level; elsewhere it has the time and the level.
func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	if isJournal(w) {
		return slog.New(newJournalHandler(w, level))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: textOfErrors}))
}

// textOfErrors writes the text of an error, without a stack.
func textOfErrors(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(err.Error())
	}
	return a
}

// isJournal reports whether what is written goes to the journal, which says in
// JOURNAL_STREAM which file it listens to (systemd.exec(5)): a child may have
// had its output redirected.
func isJournal(w io.Writer) bool {
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

// journalHandler writes a line for each record, with its priority in front as
// sd-daemon(3) says: what happened, then KEY=VALUE.
type journalHandler struct {
	out        *journalOutput
	attributes slog.Handler // writes them to out.line
}

type journalOutput struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer
}

func newJournalHandler(w io.Writer, level slog.Leveler) *journalHandler {
	out := &journalOutput{w: w}
	replace := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return textOfErrors(groups, a)
	}
	return &journalHandler{out, slog.NewTextHandler(&out.line, &slog.HandlerOptions{Level: level, ReplaceAttr: replace})}
}

// Enabled reports whether records of a level are written.
func (h *journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attributes.Enabled(ctx, level)
}

// Handle writes a record.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	if err := h.attributes.Handle(ctx, r); err != nil {
		return err
	}
	line := fmt.Sprintf("<%d>%s", priority(r.Level), visible.Text(r.Message))
	if attributes := strings.TrimSpace(h.out.line.String()); attributes != "" {
		line += " " + attributes
	}
	_, err := io.WriteString(h.out.w, line+"\n")
	return err
}

// WithAttrs returns a handler that writes these attributes, too.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.out, h.attributes.WithAttrs(attrs)}
}

// WithGroup returns a handler that puts the name before keys.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.out, h.attributes.WithGroup(name)}
}

// The priorities of syslog(3).
const (
	priorityError   = 3
	priorityWarning = 4
	priorityInfo    = 6
	priorityDebug   = 7
)

func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return priorityError
	case level >= slog.LevelWarn:
		return priorityWarning
	case level >= slog.LevelInfo:
		return priorityInfo
	}
	return priorityDebug
}
