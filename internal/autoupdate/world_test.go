package autoupdate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// world is a host with Podman, systemd, a registry and an event log, of which a
// test sees each call, and at any of which it can kill the updater.
type world struct {
	t *testing.T

	mu sync.Mutex
	// registry and tags are image IDs by name; the digest of an image is "sha256:"
	// and its ID.
	registry, tags map[string]string
	// bad says how containers of an image fail: "exit" or "sick".
	bad map[string]string
	// units run containers.
	units  map[string]*worldUnit
	serial int
	events []events.Event
	// lie is announced instead of any digest.
	lie string
	// away are registries that do not answer, full is a disk without room.
	away        map[string]bool
	later       map[string]time.Duration
	atRestart   func(unit string)
	full        bool
	slow        bool // units that are restarted with another come up when they are waited for
	podmanTimer bool
	asked       int
	restarted   []string

	// kill is the call at which the updater dies; dir is then a copy of its state.
	calls, kill int
	dir         string
}

type worldUnit struct {
	image, imageID, id, invocation string
	active, stopped                bool
	labels                         map[string]string
	dependants                     []string
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, registry: make(map[string]string), tags: make(map[string]string), bad: make(map[string]string), units: make(map[string]*worldUnit),
		away: make(map[string]bool), dir: t.TempDir(),
	}
}

// add starts a unit with a container of an image.
func (w *world) add(unit, image string, labels ...string) *worldUnit {
	u := &worldUnit{image: image, labels: map[string]string{LabelPolicy: "registry", LabelUnit: unit}}
	for i := 0; i < len(labels); i += 2 {
		u.labels[labels[i]] = labels[i+1]
	}
	if w.tags[image] == "" {
		w.tags[image], w.registry[image] = image+"-1", image+"-1"
	}
	w.units[unit] = u
	w.startUnit(u)
	return u
}

func (w *world) startUnit(u *worldUnit) {
	w.serial++
	u.imageID, u.id, u.invocation = w.tags[u.image], fmt.Sprintf("container%d", w.serial), fmt.Sprint(w.serial)
	u.active = w.bad[u.imageID] != "exit"
}

// call counts a call, and kills the updater if it is the one: this goroutine ends
// here, others at their next call, and what they still write goes to a directory
// that the next run does not see.
func (w *world) call() {
	w.mu.Lock()
	w.calls++
	dead := w.kill > 0 && w.calls >= w.kill
	if dead && w.calls == w.kill {
		text, err := os.ReadFile(store{w.dir}.path())
		w.dir = w.t.TempDir()
		if err == nil {
			err = os.WriteFile(store{w.dir}.path(), text, 0o600)
		}
		if err != nil && !os.IsNotExist(err) {
			w.t.Error(err)
		}
	}
	w.mu.Unlock()
	if dead {
		runtime.Goexit()
	}
}

// run runs the updater.
func (w *world) run(o Options) (report Report, err error) {
	dir := w.dir
	u := &Updater{Podman: worldPodman{w}, Systemd: worldSystemd{w}, Registry: worldRegistry{w}, Feed: worldFeed{w}, Clock: worldClock{}, Dir: dir}
	done := make(chan struct{})
	err = errKilled
	go func() {
		defer close(done)
		report, err = u.Run(context.Background(), o)
	}()
	<-done
	return report, err
}

var errKilled = errors.New("killed")

type worldPodman struct{ *world }

func (w worldPodman) Containers(context.Context) ([]Container, error) {
	w.call()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Container
	for name, u := range w.units {
		if u.active {
			all = append(all, Container{ID: u.id, Name: name, Image: u.image, ImageID: u.imageID, Labels: u.labels})
		}
	}
	return all, nil
}

func (w worldPodman) Inspect(_ context.Context, names ...string) ([]ContainerState, error) {
	w.call()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []ContainerState
	for name, u := range w.units {
		if !u.active || !slices.Contains(names, u.id) {
			continue
		}
		s := ContainerState{Container: Container{ID: u.id, Name: name}, Running: true, HasHealthCheck: true, Health: "healthy"}
		if w.bad[u.imageID] == "sick" {
			s.Health = "unhealthy"
		}
		all = append(all, s)
	}
	return all, nil
}

func (w worldPodman) Images(_ context.Context, names ...string) ([]Image, error) {
	w.call()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []Image
	for _, n := range names {
		if id, tagged := w.tags[n]; tagged {
			n = id
		}
		all = append(all, Image{ID: n, Digests: []string{"sha256:" + n}, OS: "linux", Architecture: "amd64"})
	}
	return all, nil
}

func (w worldPodman) Pull(_ context.Context, name, _ string) error {
	w.call()
	w.mu.Lock()
	w.tags[name] = w.registry[name]
	w.mu.Unlock()
	w.call()
	return nil
}

func (w worldPodman) Tag(_ context.Context, id, name string) error {
	w.call()
	w.mu.Lock()
	w.tags[name] = id
	w.mu.Unlock()
	w.call()
	return nil
}

func (w worldPodman) FreeBytes(context.Context, string) (uint64, error) {
	w.call()
	if w.full {
		return 1 << 20, nil
	}
	return 1 << 40, nil
}

type worldSystemd struct{ *world }

func (w worldSystemd) Unit(_ context.Context, name string) (Unit, error) {
	w.call()
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.units[name]
	if u == nil {
		return Unit{}, fmt.Errorf("cannot use unit %s: systemd has not loaded it", name)
	}
	state := map[bool]string{true: "active", false: "failed"}[u.active]
	if u.stopped {
		state = "inactive"
	}
	return Unit{Name: name, ActiveState: state, Invocation: u.invocation, Dependants: u.dependants}, nil
}

func (w worldSystemd) Restart(_ context.Context, name string) (string, error) {
	w.call()
	w.mu.Lock()
	u := w.units[name]
	if u == nil {
		w.mu.Unlock()
		return "", errors.New("no such unit")
	}
	w.restarted = append(w.restarted, name)
	if w.atRestart != nil {
		w.atRestart(name)
	}
	w.startUnit(u)
	for _, d := range u.dependants { // as systemd does with Requires=
		if u.active && !w.slow {
			w.startUnit(w.units[d])
		} else {
			w.units[d].active = false
		}
	}
	w.mu.Unlock()
	w.call()
	return "done", nil
}

func (w worldSystemd) Start(ctx context.Context, name string) (string, error) {
	return w.Restart(ctx, name)
}

func (w worldSystemd) Enabled(context.Context, string) (bool, error) { return w.podmanTimer, nil }

// During takes "now" for a window that is open.
func (w worldSystemd) During(_ context.Context, calendar string, _ time.Time) (bool, error) {
	if calendar == "wrong" {
		return false, errors.New("must be a calendar event")
	}
	return calendar == "now", nil
}

type worldRegistry struct{ *world }

func (w worldRegistry) Digest(_ context.Context, name, _ string) (string, error) {
	w.call()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if d := w.later[w.Host(name)]; d > 0 {
		return "", Later{d}
	}
	if w.away[w.Host(name)] {
		return "", fmt.Errorf("%w: 429", ErrTemporary)
	}
	if w.lie != "" {
		return w.lie, nil
	}
	return "sha256:" + w.registry[name], nil
}

func (w worldRegistry) Resolve(ctx context.Context, name, auth string, _ Image) (Remote, error) {
	d, err := w.Digest(ctx, name, auth)
	return Remote{Digest: d, Instance: d}, err
}

func (w worldRegistry) Requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func (worldRegistry) Host(name string) string { return filepath.Dir(name) }

func (worldRegistry) Pinned(string) bool { return false }

type worldFeed struct{ *world }

func (w worldFeed) Follow(ctx context.Context) (<-chan events.Event, error) {
	w.call()
	c := make(chan events.Event)
	go func() {
		<-ctx.Done()
		close(c)
	}()
	return c, nil
}

func (w worldFeed) Write(_ context.Context, e events.Event) error {
	w.call()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	return nil
}

// worldClock does not wait for the settle time, and for nothing longer at all.
type worldClock struct{}

func (worldClock) Now() time.Time { return time.Now() }

func (worldClock) After(d time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	if d < time.Minute {
		c <- time.Now()
	}
	return c
}

// state is what the updater has stored.
func (w *world) state() State {
	st, err := store{w.dir}.load()
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// revive lets the updater run again, as the next process would find the host.
func (w *world) revive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kill, w.calls = 0, 0
}
