package servicelog

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/eventsvc/eventsvc/internal/messageid"
)

func TestNew_lines(t *testing.T) {
	var out bytes.Buffer
	log := New("prog", &out, nil).With("store", "file")
	log.Debug("nothing of this is written")
	log.Info("ready", messageid.Recovered)
	log.Warn("cannot read", "path", "/a\nb", "error", errors.New(`no "file"`), "empty", "")
	log.Error("gone")
	want := "prog: ready (store file)\n" +
		"prog: warning: cannot read: no \"file\" (store file, path /a\\nb)\n" +
		"prog: error: gone (store file)\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestFieldName(t *testing.T) {
	for key, want := range map[string]string{"uid": "EVENTSVC_UID", "notLogged": "EVENTSVC_NOT_LOGGED", "retry-in": "EVENTSVC_RETRY_IN"} {
		if got := fieldName(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for word, want := range map[string]slog.Level{"debug": slog.LevelDebug, "": slog.LevelInfo, "WARN": slog.LevelWarn, "err": slog.LevelError} {
		if got, err := ParseLevel(word); got != want || err != nil {
			t.Errorf("%q is %v, %v", word, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil || err.Error() != `cannot use --log-level "loud": give debug, info, warn or error` {
		t.Errorf("got %v", err)
	}
}
