package command

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/term"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/internal/visible"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// step prints a step of a run.
func (a *app) step(s autoupdate.Step) {
	if s.Name == "begin" {
		return
	}
	line := s.Name + " " + s.Object
	if s.For > 0 {
		line += fmt.Sprintf(" (%v)", s.For)
	}
	fmt.Fprintln(a.stderr, visible.Text(line))
}

// rows prints rows as a table, as JSON or with a template.
func rows[T any](a *app, all []T, heads string, cells func(T) []string) error {
	switch a.format {
	case "table":
		var table visible.Table
		table.Row(strings.Fields(heads)...)
		for _, one := range all {
			table.Row(cells(one)...)
		}
		return table.Print(a.stdout)
	case "json":
		if all == nil {
			all = []T{}
		}
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "     ")
		e.SetEscapeHTML(false)
		return e.Encode(all)
	}
	text := strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(a.format)
	if !strings.Contains(text, "{{") {
		return errors.Errorf("cannot use --format %s: must be table, json or a Go template", a.format)
	}
	t, err := template.New("format").Parse(strings.TrimPrefix(text, "table ") + "\n")
	if err != nil {
		return errors.Wrap(err, "cannot use --format")
	}
	for _, one := range all {
		if err := t.Execute(a.stdout, one); err != nil {
			return err
		}
	}
	return nil
}

// short returns a digest as shown in a table.
func short(digest string) string {
	_, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) < 12 {
		return digest
	}
	return hex[:12]
}

func (a *app) print(results []autoupdate.Result) error {
	return rows(a, results, "UNIT CONTAINER IMAGE POLICY UPDATED RESULT FROM TO ERROR", func(r autoupdate.Result) []string {
		return []string{r.Unit, r.Container, r.Image, r.Policy, r.Updated, string(r.Result), short(r.From), short(r.To), r.Error}
	})
}

func (a *app) list(ctx context.Context) error {
	managed, err := a.updater(nil, nil).List(ctx)
	if err != nil {
		return err
	}
	return rows(a, managed, "UNIT CONTAINER IMAGE POLICY MODE PROBLEM", func(m autoupdate.Managed) []string {
		return []string{m.Unit, m.Name, m.Image, string(m.Policy), string(m.Mode), m.Problem}
	})
}

func (a *app) runs() error {
	runs, holds, err := a.updater(nil, nil).Runs()
	if err != nil {
		return err
	}
	err = rows(a, runs, "RUN START MS EXIT RESULTS", func(r autoupdate.Report) []string {
		counts := make(map[autoupdate.Outcome]int)
		for _, c := range r.Results {
			counts[c.Result]++
		}
		return []string{
			r.ID, r.Start.Format(time.RFC3339), fmt.Sprint(r.End.Sub(r.Start).Milliseconds()), fmt.Sprint(r.ExitCode()),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(counts), "map["), "]"),
		}
	})
	if err != nil || a.format != "table" || len(holds) == 0 {
		return err
	}
	fmt.Fprintln(a.stdout)
	var table visible.Table
	table.Row("HELD", "DIGEST", "UNTIL", "REASON")
	for image, h := range holds {
		until := "released"
		if !h.Until.IsZero() {
			until = h.Until.Format(time.RFC3339)
		}
		table.Row(image, short(h.Digest), until, h.Reason)
	}
	return table.Print(a.stdout)
}
