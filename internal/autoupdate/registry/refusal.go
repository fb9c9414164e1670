package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// refusals ends questions to a registry that answers 429. The library would wait
// for what Retry-After says, a minute at most, and ask again, five times; that
// cannot be set, and it returns neither the status nor the header. But it writes
// both to its log first, in the goroutine that asks.
type refusals struct {
	mu sync.Mutex
	// asking are the questions under way, by the host they go to.
	asking map[string]map[*context.CancelCauseFunc]struct{}
	// after is the last Retry-After that was not used yet.
	after string
}

// listen is done once: the log of the library belongs to the process.
var listen = sync.OnceValue(func() *refusals {
	r := &refusals{asking: make(map[string]map[*context.CancelCauseFunc]struct{})}
	logrus.SetLevel(logrus.DebugLevel)
	logrus.SetOutput(io.Discard)
	logrus.SetFormatter(nothing{})
	logrus.AddHook(r)
	return r
})

// nothing formats nothing: what is worth printing is printed by the hook.
type nothing struct{}

func (nothing) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// Levels are those of the hook: all.
func (*refusals) Levels() []logrus.Level { return logrus.AllLevels }

// Fire reads a message of the library. Warnings go to stderr, as without this.
func (r *refusals) Fire(e *logrus.Entry) error {
	if e.Level <= logrus.WarnLevel {
		fmt.Fprintln(os.Stderr, e.Message)
		return nil
	}
	if after, is := strings.CutPrefix(e.Message, "Detected 'Retry-After' header "); is {
		r.mu.Lock()
		r.after, _ = strconv.Unquote(after)
		r.mu.Unlock()
		return nil
	}
	_, rest, is := strings.Cut(e.Message, "Too many requests to ")
	if !is {
		return nil
	}
	address, _, _ := strings.Cut(rest, ": sleeping ")
	u, err := url.Parse(address)
	if err != nil {
		return nil // the deadline ends the question
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	later := autoupdate.Later{For: retryAfter(r.after, time.Now())}
	r.after = ""
	for cancel := range r.asking[u.Host] {
		(*cancel)(later)
	}
	return nil
}

// retryAfter reads the header: seconds, or a time. 0: there is none.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, t.Sub(now).Round(time.Second))
	}
	return 0
}

// during asks a host, until the answer comes or the host refuses.
func (r *refusals) during(ctx context.Context, host string, ask func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.mu.Lock()
	if r.asking[host] == nil {
		r.asking[host] = make(map[*context.CancelCauseFunc]struct{})
	}
	r.asking[host][&cancel] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.asking[host], &cancel)
	}()
	err := ask(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}
