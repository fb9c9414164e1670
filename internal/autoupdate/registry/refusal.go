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

// refusals ends requests to a registry that answers 429. The library would wait for as
// long as Retry-After says, at most a minute, and try again, five times. That cannot be
// configured, and it returns neither the status nor the header. But it first logs both,
// in the goroutine that makes the request.
type refusals struct {
	mu sync.Mutex
	// asking are the requests in progress, by host.
	asking map[string]map[*context.CancelCauseFunc]struct{}
	// after is the last Retry-After that has not been used.
	after string
}

// listen is called once: the library's log is global.
var listen = sync.OnceValue(func() *refusals {
	r := &refusals{asking: make(map[string]map[*context.CancelCauseFunc]struct{})}
	logrus.SetLevel(logrus.DebugLevel)
	logrus.SetOutput(io.Discard)
	logrus.SetFormatter(nothing{})
	logrus.AddHook(r)
	return r
})

// nothing formats nothing: the hook prints what is worth printing.
type nothing struct{}

func (nothing) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// Levels returns the levels of the hook: all.
func (*refusals) Levels() []logrus.Level { return logrus.AllLevels }

// Fire reads a log message of the library. Warnings still go to stderr.
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
		return nil // the deadline ends the request
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

// retryAfter parses the header: seconds, or a time. 0: it is missing.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, t.Sub(now).Round(time.Second))
	}
	return 0
}

// during makes a request to a host, and returns when the answer arrives or the host
// refuses.
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
