package cli

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/config"
)

// sampleLog is what Podman 5.8.2 wrote while containers, images, pods, volumes,
// networks and secrets were made and removed.
//
//go:embed sample-events.log
var sampleLog []byte

// demoDir is the private directory of a demo.
type demoDir struct{ dir string }

// maxSocketPath is the maximum length of a socket's path (unix(7)).
const maxSocketPath = 107

// newDemoDir makes a directory with the sample in it: in the runtime directory, or else
// where temporary files are, or else in /tmp, whose name is short.
func newDemoDir() (*demoDir, error) {
	var places []string
	if dir, err := config.RuntimeDir(config.Host()); err == nil {
		places = append(places, dir)
	}
	places = append(places, os.TempDir(), "/tmp")
	failed := errors.New("cannot make a directory for the demo: every path is too long for a socket")
	for _, place := range places {
		dir, err := os.MkdirTemp(place, "eventsvc-demo-")
		if err != nil {
			failed = errors.Wrap(err, "cannot make a directory for the demo")
			continue
		}
		demo := &demoDir{dir: dir}
		if len(demo.socket()) > maxSocketPath {
			demo.remove()
			continue
		}
		if err := os.WriteFile(demo.log(), sampleLog, 0o600); err != nil {
			demo.remove()
			return nil, errors.Wrap(err, "cannot write the sample log")
		}
		return demo, nil
	}
	return nil, failed
}

func (r *demoDir) log() string     { return filepath.Join(r.dir, "events.log") }
func (r *demoDir) socket() string  { return filepath.Join(r.dir, "io.podman.events") }
func (r *demoDir) address() string { return "unix:" + r.socket() }

// remove removes the directory with everything in it.
func (r *demoDir) remove() { _ = os.RemoveAll(r.dir) }

// writeDemoEvents writes events through the service: just one, or one at each interval
// until the context is done.
func writeDemoEvents(ctx context.Context, c *client.Client, f *demoFlags) error {
	if f.once {
		_, err := c.WriteEvent(ctx, demoEvent(0))
		return err
	}
	if f.every <= 0 {
		return nil
	}
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := c.WriteEvent(ctx, demoEvent(n)); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// demoEvent returns the next event in the lives of the demo's containers.
func demoEvent(n int) events.Event {
	life := []events.Status{events.Create, events.Init, events.Start, events.Exited, events.Remove}
	container := n / len(life)
	e := events.NewEvent(life[n%len(life)])
	e.Type, e.Name, e.Image = events.Container, fmt.Sprintf("demo-%d", container+1), "localhost/demo:latest"
	e.ID = fmt.Sprintf("%012x%s", 0xdecaf0000000+container, strings.Repeat("0", 52))
	e.Attributes = map[string]string{"demo": "true"}
	if e.Status == events.Exited {
		code := container % 3
		e.ContainerExitCode = &code
	}
	return e
}
