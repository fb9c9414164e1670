package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
)

// eventsFlags are the flags of eventsvc events, those of podman events first.
type eventsFlags struct {
	filters      []string
	since, until string
	stream       bool
	format       string
	noTrunc      bool
	allUsers     bool

	afterCursor string
	cursorFile  string
	lines       lineCount // of past events; allLines: all that the other flags select
	ifExpired   string
	address     string
}

var eventsLong = fmt.Sprintf(`Print container events as podman events does. With neither --since nor --until
it follows new events from now on; with one of them it prints past events
first; with --stream=false it prints past events only.

By default you see your own events, as with podman events: those of your uid
and, for root, those whose user is not known. --all-users, or a filter on uid,
shows those of other users, as far as you may read them, and ends each line with
the user.

Filters are KEY=VALUE or KEY!=VALUE. Of filters with the same key, one must
match; those with different keys must all match, and so must every +KEY=VALUE and
KEY!=VALUE. Keys: container, image, pod, network, secret, artifact, machine
(name, or prefix of the ID), volume (prefix of the name), type, event or status,
label, id, name, ancestor, uid, host, health (healthy, unhealthy, starting, or
changed: a verdict that differs from the one before) and exit-code. In names *
matches any characters and ? one: --filter 'name=web*'.

Times, for --since and --until, which are exclusive:

%s
Times without a zone are in the local zone (TZ), in which times are also printed.
The interfaces of the service take them as UTC.

The format is 'json', which prints a line for each event with the members of
podman events --format json and Timestamp, UID, Host, Cursor; 'short', a line for
reading; or a Go template with the fields .Attributes .ContainerExitCode
.ContainerInspectData .Cursor .Error .HealthFailingStreak .HealthLog
.HealthStatus .Host .ID .Image .Name .Network .PodID .Status .Time (prints
as Unix seconds) .TimeNano .Type .UID and Podman's functions (json, join, lower,
pad, split, title, truncate, upper).

With a cursor file, nothing is missed or printed twice from one run to the next.
If the service restarts meanwhile, the command reconnects, continues where it was,
and says so on stderr.`, timeTable())

const eventsExample = `  eventsvc events
  eventsvc events --filter type=container --filter event=died
  eventsvc events --since 1h --stream=false --format json
  eventsvc events --format '{{.Time.Format "15:04:05"}} {{.Type}} {{.Status}} {{.Name}}'
  eventsvc events --cursor-file ~/.cache/events.cursor --format json | my-indexer`

// The values of --if-expired.
const (
	expiredStop   = "stop"
	expiredOldest = "oldest"
)

func (a *app) eventsCommand() *cobra.Command {
	var f eventsFlags
	c := &cobra.Command{
		Use:        "events",
		SuggestFor: []string{"logs", "log", "monitor", "watch", "follow"},
		Short:      "Print container events, past and new",
		Long:       eventsLong,
		Example:    eventsExample,
		Args:       noWords,
		RunE:       func(c *cobra.Command, _ []string) error { return a.events(c.Context(), &f) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	rangeFlags(c, &f)
	f.lines = allLines
	flags.VarP(&f.lines, "lines", "n", "begin with the last `NUMBER` of matching events")
	flags.Lookup("lines").DefValue = "" // not shown in the help
	formatFlags(c, &f)
	cursorFlags(c, &f, "printed")
	addressFlag(c, &f.address)
	return c
}

// filterFlags adds the flags that select events.
func filterFlags(c *cobra.Command, f *eventsFlags, usage string) {
	c.Flags().StringArrayVarP(&f.filters, "filter", "f", nil, usage)
	c.Flags().BoolVar(&f.allUsers, "all-users", false, "events of all users that you may read, as with --filter 'uid=*';\n"+
		"false: your own, as podman events")
	completeFilters(c)
}

// rangeFlags adds the flags that select events, also by time.
func rangeFlags(c *cobra.Command, f *eventsFlags) {
	filterFlags(c, f, "only events that match `FILTER`, KEY=VALUE; may be repeated")
	c.Flags().StringVar(&f.since, "since", "", "only events later than this `TIME`, past ones included")
	c.Flags().StringVar(&f.until, "until", "", "only events earlier than this `TIME`; ends once it has passed")
	c.Flags().BoolVar(&f.stream, "stream", true, "wait for new events; false: past events only")
	complete(c, "since", anyOf("10m", "1h", "24h"), 0)
	complete(c, "until", anyOf("now", "10m", "1h"), 0)
}

// formatFlags adds the flags for the output format.
func formatFlags(c *cobra.Command, f *eventsFlags) {
	c.Flags().StringVar(&f.format, "format", "", "`FORMAT` is json, short, or a Go template for each event")
	c.Flags().BoolVar(&f.noTrunc, "no-trunc", true, "do not truncate IDs to 12 characters")
	complete(c, "format", anyOf("json", "short", "{{."), cobra.ShellCompDirectiveNoSpace)
}

// cursorFlags adds the flags for where to continue, and what to do when that place has
// expired.
func cursorFlags(c *cobra.Command, f *eventsFlags, done string) {
	c.Flags().StringVar(&f.afterCursor, "after-cursor", "", "continue right after the event with this `CURSOR`")
	c.Flags().StringVar(&f.cursorFile, "cursor-file", "", "continue after the cursor in this `FILE` if it exists, and save\n"+
		"there the cursor of what has been "+done)
	c.Flags().StringVar(&f.ifExpired, "if-expired", expiredStop, "what to do if the store no longer holds the place of the cursor:\n"+
		"`ACTION` is stop (exit code 10), or oldest: continue from the oldest event")
	complete(c, "after-cursor", anyOf(), 0)
	complete(c, "if-expired", anyOf(expiredStop, expiredOldest), 0)
}

// checkExpired refuses an unknown action.
func (f *eventsFlags) checkExpired() error {
	if f.ifExpired != expiredStop && f.ifExpired != expiredOldest {
		return errors.Errorf("cannot use --if-expired %s: it must be %s or %s", f.ifExpired, expiredStop, expiredOldest)
	}
	return nil
}

// source is a client.Subscription or client.History.
type source interface {
	NextInto(ctx context.Context, e *events.Event) error
	NextLine(ctx context.Context, dst []byte, as client.Line) ([]byte, error)
	Buffered() bool
	Cursor() string
	Close() error
}

// eventsRun is one run of eventsvc events.
type eventsRun struct {
	*app
	flags  *eventsFlags
	out    *bufio.Writer
	print  printer
	stream bool                      // not only past events
	mark   func(cursor string) error // for a position without an event; nil: keep
	place  *cursorFile               // nil: not used
	cancel context.CancelCauseFunc
	outage bool // an outage has been reported
}

// outputBuffer is how much output is collected while more events are available, in
// bytes.
const outputBuffer = 64 << 10

// pastGCPercent lets the heap of a run that only prints past events grow to five times
// what is in use, a few pages: fewer collections, and then the process ends.
const pastGCPercent = 400

func (a *app) events(ctx context.Context, f *eventsFlags) error {
	if err := f.checkExpired(); err != nil {
		return err
	}
	if err := f.resolveTimes(time.Now()); err != nil {
		return err
	}
	if err := f.checkLines(); err != nil {
		return err
	}
	if !f.stream && os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(pastGCPercent))
	}
	ctx, stop := untilReaderGone(ctx, a.stdout)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &eventsRun{app: a, flags: f, out: bufio.NewWriterSize(a.stdout, outputBuffer), stream: f.stream, cancel: cancel}
	var err error
	if run.print, err = newPrinter(f, a.stdout); err != nil {
		return err
	}
	after, err := run.begin()
	if err != nil {
		return err
	}
	c, err := client.New(f.address)
	if err != nil {
		return err
	}
	defer c.Close()
	if f.lines != allLines {
		after, err = run.printLast(ctx, c)
	}
	if err == nil && (f.lines == allLines || f.stream) {
		var from source
		if from, err = run.open(ctx, c, after); err == nil {
			err = run.copy(ctx, from)
			_ = from.Close()
		}
	}
	if failed := failure(ctx); failed != nil {
		return failed
	}
	return run.explain(err)
}

// begin returns the cursor to begin after, "" for none.
func (r *eventsRun) begin() (after string, err error) {
	if r.flags.cursorFile == "" {
		return r.flags.afterCursor, nil
	}
	r.place = &cursorFile{path: r.flags.cursorFile}
	kept, err := r.place.read()
	if err == nil {
		err = r.place.checkWritable()
	}
	if err != nil || kept != "" {
		return kept, err
	}
	return r.flags.afterCursor, nil
}

// open starts to read as the flags say.
func (r *eventsRun) open(ctx context.Context, c *client.Client, after string) (source, error) {
	f := r.flags
	if !r.stream {
		p := &past{run: r, client: c, query: client.Query{Filters: f.filters, Since: f.since, Until: f.until, After: after, AllUsers: f.allUsers}}
		if err := p.open(ctx); err != nil {
			return nil, err
		}
		return p, nil
	}
	s, err := c.Subscribe(ctx, client.SubscribeOptions{
		Filters: f.filters, Since: f.since, Until: f.until, After: after, AllUsers: f.allUsers,
		OnLost: r.lost, OnResumed: r.resumed, OnExpired: r.goOn,
		OnMark: func(cursor string) {
			keep := r.keep
			if r.mark != nil {
				keep = r.mark
			}
			if err := keep(cursor); err != nil {
				r.cancel(err)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// past reads past events, and continues from the oldest if the position is lost, at the
// start or in between, and the user wants that.
type past struct {
	run    *eventsRun
	client *client.Client
	query  client.Query
	*client.History
}

func (p *past) open(ctx context.Context) (err error) {
	for {
		if p.History, err = p.client.History(ctx, p.query); !p.goesOn(err) {
			return err
		}
	}
}

func (p *past) goesOn(err error) bool {
	var expired *events.ExpiredError
	if !errors.As(err, &expired) || !p.run.goOn(expired) {
		return false
	}
	p.query.After = ""
	return true
}

func (p *past) NextInto(ctx context.Context, e *events.Event) error {
	return p.next(ctx, func() error { return p.History.NextInto(ctx, e) })
}

func (p *past) NextLine(ctx context.Context, dst []byte, as client.Line) ([]byte, error) {
	err := p.next(ctx, func() (err error) { dst, err = p.History.NextLine(ctx, dst, as); return err })
	return dst, err
}

func (p *past) next(ctx context.Context, next func() error) error {
	for {
		err := next()
		if err == nil || !p.goesOn(err) {
			return err
		}
		lost := p.History
		if err := p.open(ctx); err != nil {
			p.History = lost
			return err
		}
		_ = lost.Close()
	}
}

// copy prints events until there are no more.
func (r *eventsRun) copy(ctx context.Context, from source) error {
	next := r.nextEvent(ctx, from)
	for {
		if err := next(); err != nil {
			if kept := r.keep(from.Cursor()); kept != nil {
				return kept
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !from.Buffered() {
			if err := r.keep(from.Cursor()); err != nil {
				return err
			}
		}
	}
}

// nextEvent returns the function that prints the next event.
func (r *eventsRun) nextEvent(ctx context.Context, from source) func() error {
	if as, ok := plainLine(r.flags, r.stdout); ok {
		var line []byte
		return func() (err error) {
			if line, err = from.NextLine(ctx, line[:0], as); err == nil {
				_, err = r.out.Write(append(line, '\n'))
			}
			return err
		}
	}
	var e events.Event
	return func() error {
		if err := from.NextInto(ctx, &e); err != nil {
			return err
		}
		e.Time = e.Time.Local()
		return r.print(r.out, &e)
	}
}

// keep flushes the output, and then stores the cursor.
func (r *eventsRun) keep(cursor string) error {
	if err := r.out.Flush(); err != nil {
		return errors.Wrap(err, "cannot write the output")
	}
	if r.place == nil {
		return nil
	}
	return r.place.write(cursor)
}

func (r *eventsRun) lost(cause error, _ time.Duration) {
	if !r.outage {
		r.say("%v; trying again", cause)
	}
	r.outage = true
}

func (r *eventsRun) resumed(int) {
	r.say("connected again, and continued after the last event")
	r.outage = false
}

// goOn decides whether to continue after a cursor has expired.
func (r *eventsRun) goOn(expired *events.ExpiredError) bool {
	if r.flags.ifExpired != expiredOldest {
		return false
	}
	r.say("%v: going on from there, some events may be missing and some may come again", expired)
	return true
}

// explain adds advice to an error.
func (r *eventsRun) explain(err error) error {
	var expired *events.ExpiredError
	if errors.As(err, &expired) {
		return errors.WithMessage(err, "run the command again with --if-expired oldest to go on from the oldest event")
	}
	return err
}
