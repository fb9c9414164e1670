package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/internal/sleep"
	"github.com/eventsvc/eventsvc/internal/version"
)

const webhookLong = `Send the event on stdin, a line of JSON as 'eventsvc exec' passes to its command,
to a URL: an HTTP POST of a CloudEvent in structured mode
(application/cloudevents+json). Its id is the cursor, so that a receiver can
recognize an event that it gets twice; its data is the event.

An attempt that gets no reply in time, or a reply of 408, 429 or 5xx, is followed
by another after 1 s, then longer, or after what Retry-After says (10 s at most).
Redirects are not followed. The command succeeds with a reply of 2xx.`

const webhookExample = `  eventsvc exec --filter event=died --on-failure retry -- eventsvc webhook https://example.com/hook
  eventsvc webhook --header-file /etc/eventsvc/token https://example.com/hook <event.json`

// webhookFlags are the flags of eventsvc webhook.
type webhookFlags struct {
	timeout    time.Duration
	tries      int
	headerFile string
}

func (a *app) webhookCommand() *cobra.Command {
	var f webhookFlags
	c := &cobra.Command{
		Use:     "webhook [flags] URL",
		Short:   "Send an event to a URL, as a CloudEvent",
		Long:    webhookLong,
		Example: webhookExample,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, words []string) error {
			if len(words) != 1 {
				return errors.New("cannot send an event: give one URL")
			}
			return a.webhook(c.Context(), &f, words[0])
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	f.timeout = 10 * time.Second
	flags.Var((*span)(&f.timeout), "timeout", "give up an attempt after this `TIME`")
	flags.IntVar(&f.tries, "tries", 4, "make at most this `NUMBER` of attempts")
	flags.StringVar(&f.headerFile, "header-file", "", "also send the headers in `FILE`, one per line: NAME: VALUE")
	return c
}

func (a *app) webhook(ctx context.Context, f *webhookFlags, to string) error {
	where, err := url.Parse(to)
	if err != nil || where.Host == "" || where.Scheme != "https" && where.Scheme != "http" {
		return errors.Errorf("cannot use the URL %q: it must begin with https:// or http:// and name a host", to)
	}
	if f.tries < 1 || f.timeout == 0 {
		return errors.New("cannot send the event: --tries and --timeout must be greater than 0")
	}
	header := http.Header{}
	if f.headerFile != "" {
		if header, err = readHeader(f.headerFile); err != nil {
			return err
		}
	}
	header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	header.Set("User-Agent", program+"/"+version.Version)
	body, err := cloudEvent(a.stdin)
	if err != nil {
		return err
	}
	// A redirection would turn the POST into a GET, or send the event to another host.
	c := &http.Client{Timeout: f.timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer c.CloseIdleConnections()
	for try, pause := 1, time.Second; ; try, pause = try+1, 2*pause {
		wait, err := post(ctx, c, to, header, body)
		if err == nil {
			return nil
		}
		err = errors.WithMessagef(err, "cannot send the event to %s", where.Host)
		if wait < 0 || try == f.tries || ctx.Err() != nil {
			return err
		}
		pause = max(pause, wait)
		a.say("%v; trying again in %v", err, pause)
		if !sleep.For(ctx, pause) {
			return context.Cause(ctx)
		}
	}
}

// mostRetryAfter is the longest pause that a server can request.
const mostRetryAfter = 10 * time.Second

// post sends the event once. After an error, wait is how long the server asks to wait,
// negative if another attempt would fail in the same way.
func post(ctx context.Context, c *http.Client, to string, header http.Header, body []byte) (wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return -1, errors.WithStack(err)
	}
	request.Header = header
	reply, err := c.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // the URL may contain a secret
		}
		return 0, err
	}
	defer reply.Body.Close()
	const most = 1 << 20 // read, so that the server can finish; the contents do not matter
	_, _ = io.Copy(io.Discard, io.LimitReader(reply.Body, most))
	switch code := reply.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code >= 300 && code < 400:
		return -1, errors.Errorf("it replied %s, to %s; name that URL, redirects are not followed", reply.Status, reply.Header.Get("Location"))
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		seconds, _ := strconv.ParseUint(reply.Header.Get("Retry-After"), 10, 16)
		return min(time.Duration(seconds)*time.Second, mostRetryAfter), errors.Errorf("it replied %s", reply.Status)
	}
	return -1, errors.Errorf("it replied %s", reply.Status)
}

// readHeader reads lines of the form NAME: VALUE.
func readHeader(path string) (http.Header, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Wrap(err, "cannot read the headers")
	}
	header := http.Header{}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, errors.Errorf("cannot use line %d of %s: it is not NAME: VALUE", i+1, path)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

// cloudEvent makes a CloudEvent of an event in JSON, see
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md.
// Its attributes are those of the messages of 'eventsvc forward'.
func cloudEvent(stdin io.Reader) ([]byte, error) {
	text, err := io.ReadAll(stdin)
	if err != nil {
		return nil, errors.Wrap(err, "cannot read the event")
	}
	var e struct{ Type, Status, Name, Host, Cursor, Timestamp string }
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, errors.WithMessage(err, "cannot read the event: stdin is no JSON object")
	}
	if e.Type == "" || e.Cursor == "" {
		return nil, errors.New("cannot use the event: it has no Type or no Cursor; give a line as 'eventsvc exec' and 'eventsvc events --format json' print it")
	}
	if e.Host == "" {
		if e.Host, err = os.Hostname(); err != nil {
			return nil, errors.Wrap(err, "cannot find out the name of this host")
		}
	}
	ce := struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Subject     string          `json:"subject,omitempty"`
		Time        string          `json:"time,omitempty"`
		ContentType string          `json:"datacontenttype"`
		Data        json.RawMessage `json:"data"`
	}{"1.0", e.Cursor, "/hosts/" + url.PathEscape(e.Host) + "/podman", "io.podman." + e.Type + "." + e.Status, e.Name, e.Timestamp, "application/json", text}
	body, err := json.Marshal(ce)
	return body, errors.Wrap(err, "cannot encode the event")
}
