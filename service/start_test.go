package service

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// Each call answers each fault of a store with its error, and gives back what it
// had taken.
func TestCall_storeFailsAtStart(t *testing.T) {
	for _, fault := range testkit.StartFaults() {
		t.Run(fmt.Sprint(fault.Name, fault.Err), func(t *testing.T) {
			dir := testkit.ShortDir(t)
			st, err := logfile.Open(logfile.Options{Path: filepath.Join(dir, "events.log")})
			if err != nil {
				t.Fatal(err)
			}
			r := &rig{t: t, dir: dir, logged: new(testkit.Buffer), store: &testkit.StartFails{Store: st, Err: fault.Err}}
			r.start([]func(*rig, *Options){as(stranger)}, slog.New(slog.NewTextHandler(r.logged, nil)))
			c := r.dial()
			for range 2 * limits.PastReadersPerUID {
				for method, parameters := range map[string]string{
					"GetEvents": `{"after":"x"}`, "Subscribe": `{"after":"x"}`, "GetLastEvent": `{}`,
				} {
					c.callMore(method, parameters)
					if got := c.receive(); got.Error != "io.podman.events."+fault.Name {
						t.Fatalf("%s: reply is %s", method, got)
					}
				}
			}
			if n := r.feed.Subscribers(); n > 0 {
				t.Errorf("%d subscribers are left", n)
			}
			if n := r.core.PastReaders(); n > 0 {
				t.Errorf("%d readers of the past are left", n)
			}
			if n := strings.Count(r.logged.String(), "a call panicked"); n > limits.PanicBurst {
				t.Errorf("%d panics are logged", n)
			}
		})
	}
}
