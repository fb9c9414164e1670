package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/timeline"
)

// timelineFlags are the flags of eventsvc timeline.
type timelineFlags struct {
	eventsFlags
	follow bool
}

const timelineLong = `Draw what containers did: a lane for each container, as wide as the terminal,
those in trouble first. Next to each lane is how often the container was started,
ended and failed, and its last exit code. A failure is an end with an exit code
other than 0, or an image that could not be pulled.

Only events of this time are known: a container without any has no lane. Filters,
and whose events you get, are as in 'eventsvc events'.

Characters outside ASCII are used where the locale is UTF-8, colours on a terminal
(see NO_COLOR). With --format json it is one JSON object with the numbers.`

const timelineExample = `  eventsvc timeline
  eventsvc timeline --since 24h --filter 'name=web*'
  eventsvc timeline --follow
  eventsvc timeline --since 12h --format json | jq '.lanes[] | select(.failures > 0)'`

func (a *app) timelineCommand() *cobra.Command {
	var f timelineFlags
	c := &cobra.Command{
		Use:     "timeline",
		Short:   "Draw what containers did over time",
		Long:    timelineLong,
		Example: timelineExample,
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.timeline(c.Context(), &f) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.since, "since", "1h", "begin at this `TIME`, in a form that events takes: 1d, yesterday, 2026-11-23 …")
	filterFlags(c, &f.eventsFlags, "only events that match `FILTER`, KEY=VALUE; may be repeated")
	flags.BoolVar(&f.follow, "follow", false, "redraw when something happens, until interrupted")
	flags.StringVar(&f.format, "format", "", "`FORMAT` is json (default a picture)")
	addressFlag(c, &f.address)
	complete(c, "since", anyOf("1h", "24h", "168h"), 0)
	complete(c, "format", anyOf("json"), 0)
	return c
}

// The pauses of a timeline that is followed: between two pictures, and until time alone
// has changed it.
const (
	leastRepaint = 200 * time.Millisecond
	mostRepaint  = time.Second
)

// timelineRun is one run of eventsvc timeline.
type timelineRun struct {
	*app
	flags *timelineFlags
	shown *timeline.Timeline
	note  string // below the picture
	lines int    // of the last picture, which the next one overwrites
	size  [2]int // of the terminal at that time
}

func (a *app) timeline(ctx context.Context, f *timelineFlags) error {
	if f.format != "" && f.format != "json" {
		return errors.Errorf("cannot use --format %q: give json, or leave it out for a picture", f.format)
	}
	ctx, stop := untilReaderGone(ctx, a.stdout)
	defer stop()
	now := time.Now()
	if err := f.resolveTimes(now); err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339Nano, f.since)
	if err != nil {
		return errors.WithStack(err)
	}
	if !since.Before(now) {
		return errors.Errorf("cannot use --since %s: the picture ends now, so it must begin earlier", f.since)
	}
	run := &timelineRun{app: a, flags: f, shown: timeline.New(now.Sub(since), now)}
	if !choosesStatus(f.filters) {
		f.filters = append(f.filters, timeline.Filters()...)
	}
	c, err := client.New(f.address)
	if err != nil {
		return err
	}
	defer c.Close()
	if f.follow {
		return run.follow(ctx, c, f.since)
	}
	h, err := c.History(ctx, client.Query{Filters: f.filters, Since: f.since, AllUsers: f.allUsers})
	if err != nil {
		return err
	}
	defer h.Close()
	for e, err := range h.All(ctx) {
		if err != nil {
			return err
		}
		run.shown.Add(&e)
	}
	return run.print()
}

// choosesStatus reports whether filters select statuses.
func choosesStatus(filters []string) bool {
	for _, filter := range filters {
		key, _, _ := strings.Cut(strings.TrimPrefix(filter, "+"), "=")
		switch strings.ToLower(strings.TrimSuffix(key, "!")) {
		case "event", "status":
			return true
		}
	}
	return false
}

// follow redraws whenever something has happened.
func (r *timelineRun) follow(ctx context.Context, c *client.Client, since string) error {
	painted, changed := time.Now(), true
	s, err := c.Subscribe(ctx, client.SubscribeOptions{
		Filters: r.flags.filters, Since: since, AllUsers: r.flags.allUsers,
		OnLost: func(cause error, _ time.Duration) {
			r.note = fmt.Sprintf("%v; trying again", cause)
			_ = r.print()
		},
		OnResumed: func(int) {
			r.note = "connected again, nothing was missed"
			changed = true
		},
		OnExpired: func(expired *events.ExpiredError) bool {
			changed = true
			r.note = fmt.Sprintf("%v; some events are missing", expired)
			return true
		},
	})
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		wait := mostRepaint
		if !s.Live() || s.Buffered() {
			wait = leastRepaint
		}
		next, cancel := context.WithTimeout(ctx, time.Until(painted.Add(wait)))
		e, err := s.Next(next)
		cancel()
		switch {
		case err == nil:
			r.shown.Add(&e)
			changed = true
		case errors.Is(err, io.EOF) || ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		if now := time.Now(); s.Live() && !s.Buffered() && now.Sub(painted) >= leastRepaint || now.Sub(painted) >= mostRepaint {
			painted = now
			r.shown.Advance(now)
			// If only time has passed, or the past is still being read, redraw only where
			// that overwrites the last picture.
			if !(changed && s.Live()) && !isTerminal(r.stdout) {
				continue
			}
			changed = false
			if err := r.print(); err != nil {
				return err
			}
		}
	}
}

// print prints the picture, or the numbers.
func (r *timelineRun) print() error {
	var out bytes.Buffer
	if r.flags.format == "json" {
		from, to := r.shown.Span()
		line, err := compactJSON(struct {
			Since   time.Time        `json:"since"`
			Until   time.Time        `json:"until"`
			LeftOut int              `json:"leftOut"`
			Lanes   []*timeline.Lane `json:"lanes"`
		}{from.UTC(), to.UTC(), r.shown.Dropped(), r.shown.Lanes()})
		if err != nil {
			return err
		}
		out.WriteString(line + "\n")
	} else {
		r.draw(&out)
	}
	_, err := r.stdout.Write(out.Bytes())
	return errors.Wrap(err, "cannot write the output")
}

// draw draws the picture; on a terminal that is followed, it overwrites the last one.
func (r *timelineRun) draw(out *bytes.Buffer) {
	p := timeline.Picture{Width: columnsWithout, UTF8: hasUTF8(), Note: r.note}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		p.Width = n
	}
	terminal := isTerminal(r.stdout)
	over := terminal && r.lines > 0 // overwrite the last picture
	if terminal {
		if width, height, err := term.GetSize(int(r.stdout.(*os.File).Fd())); err == nil && width > 0 {
			p.Width = width
			if r.flags.follow {
				p.Height = height - 1 // the cursor is below
			}
			if size := [2]int{width, height}; size != r.size {
				// A terminal wraps and moves lines when its size changes.
				if over {
					out.WriteString("\x1b[H\x1b[J")
				}
				r.size, over = size, false
			}
		}
		if wantsColour() {
			p.Paint = paintKind
		}
	}
	lines := p.Draw(r.shown)
	const erase = "\x1b[K"
	if over {
		fmt.Fprintf(out, "\x1b[%dA", r.lines)
	}
	for _, line := range lines {
		out.WriteString(line)
		if terminal && r.flags.follow {
			out.WriteString(erase)
		}
		out.WriteByte('\n')
	}
	switch {
	case terminal && r.flags.follow:
		out.WriteString("\x1b[J")
		r.lines = len(lines)
	case r.flags.follow:
		out.WriteByte('\n')
	}
}

// columnsWithout is the width of a picture without a terminal.
const columnsWithout = 80

// paintKind adds colours to a piece of a picture.
func paintKind(kind timeline.Kind, text string) string {
	switch kind {
	case timeline.Dim:
		return paint(dim, text)
	case timeline.Good:
		return paint(green, text)
	case timeline.Warning:
		return paint(yellow, text)
	case timeline.Bad:
		return paint(red, text)
	}
	return text
}

// hasUTF8 reports whether the locale's encoding is UTF-8, locale(7).
func hasUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}
