// Package units is the systemd side of auto-update: jobs and states of units, over
// D-Bus, of the system's or a user's service manager.
package units

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// jobTime bounds a job that has no timeout of its own.
const jobTime = 15 * time.Minute

// maxDependants bounds the dependants of a unit.
const maxDependants = 1000

// Manager is a service manager. It is safe for concurrent use.
type Manager struct{ conn *dbus.Conn }

var _ autoupdate.Systemd = (*Manager)(nil)

// Connect connects to the manager of this user: the system's for root.
func Connect(ctx context.Context) (*Manager, error) {
	connect := dbus.NewWithContext
	if os.Geteuid() != 0 {
		connect = dbus.NewUserConnectionContext
	}
	c, err := connect(ctx)
	return &Manager{c}, errors.Wrap(err, "cannot reach systemd")
}

// Close closes the connection.
func (m *Manager) Close() { m.conn.Close() }

// Unit returns the state of a unit.
func (m *Manager) Unit(ctx context.Context, name string) (autoupdate.Unit, error) {
	p, err := m.conn.GetUnitPropertiesContext(ctx, name)
	if err != nil {
		return autoupdate.Unit{}, errors.Wrapf(err, "cannot ask systemd for %s", name)
	}
	if p["LoadState"] != "loaded" {
		return autoupdate.Unit{}, errors.Errorf("cannot use unit %s: systemd has not loaded it", name)
	}
	u := autoupdate.Unit{Name: name}
	u.ActiveState, _ = p["ActiveState"].(string)
	if id, ok := p["InvocationID"].([]byte); ok {
		u.Invocation = hex.EncodeToString(id)
	}
	if r, err := m.conn.GetUnitTypePropertyContext(ctx, name, "Service", "Result"); err == nil {
		u.Result, _ = r.Value.Value().(string)
	}
	u.Dependants = m.dependants(ctx, name, p)
	return u, nil
}

// dependants returns the units that are stopped with a unit, directly or indirectly.
func (m *Manager) dependants(ctx context.Context, name string, p map[string]any) []string {
	known := map[string]bool{name: true}
	var all []string
	for next := []map[string]any{p}; len(next) > 0 && len(all) < maxDependants; next = next[1:] {
		for _, key := range []string{"RequiredBy", "BoundBy", "ConsistsOf"} {
			names, _ := next[0][key].([]string)
			for _, n := range names {
				if known[n] {
					continue
				}
				known[n] = true
				q, err := m.conn.GetUnitPropertiesContext(ctx, n)
				// Targets start and stop with the system, not with a container.
				if err != nil || q["LoadState"] != "loaded" {
					continue
				}
				all = append(all, n)
				next = append(next, q)
			}
		}
	}
	return all
}

// job waits for the result of a job.
func job(ctx context.Context, start func(context.Context, string, string, chan<- string) (int, error), name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, jobTime)
	defer cancel()
	// Buffered: the library sends the result while it holds a lock.
	result := make(chan string, 1)
	if _, err := start(ctx, name, "replace", result); err != nil {
		return "", errors.Wrapf(err, "cannot restart %s", name)
	}
	select {
	case r := <-result:
		return r, nil
	case <-ctx.Done():
		return "", errors.Errorf("cannot restart %s: its job did not end: %v", name, ctx.Err())
	}
}

// Restart restarts a unit, even one that systemd would not start again because
// it failed too often.
func (m *Manager) Restart(ctx context.Context, name string) (string, error) {
	_ = m.conn.ResetFailedUnitContext(ctx, name) // an error if it has not failed
	return job(ctx, m.conn.RestartUnitContext, name)
}

// Start starts a unit, as Restart does.
func (m *Manager) Start(ctx context.Context, name string) (string, error) {
	_ = m.conn.ResetFailedUnitContext(ctx, name)
	return job(ctx, m.conn.StartUnitContext, name)
}

// Enabled reports whether a unit file is enabled.
func (m *Manager) Enabled(ctx context.Context, name string) (bool, error) {
	files, err := m.conn.ListUnitFilesByPatternsContext(ctx, nil, []string{name})
	if err != nil {
		return false, errors.Wrapf(err, "cannot ask systemd for %s", name)
	}
	for _, f := range files {
		if f.Type == "enabled" || f.Type == "enabled-runtime" {
			return true, nil
		}
	}
	return false, nil
}

// During reports whether a time is in a minute matched by a calendar event.
func (m *Manager) During(ctx context.Context, calendar string, t time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	minute := t.Truncate(time.Minute)
	base := fmt.Sprintf("--base-time=@%d", minute.Unix()-1)
	out, err := exec.CommandContext(ctx, "systemd-analyze", "calendar", base, "--", calendar).CombinedOutput()
	if err != nil {
		return false, errors.Errorf("must be a calendar event as in systemd.time(7): %s", strings.TrimSpace(string(out)))
	}
	for line := range strings.Lines(string(out)) {
		// In local time, with the zone: that is how calendar events are meant.
		if next, is := strings.CutPrefix(strings.TrimSpace(line), "Next elapse: "); is {
			return next == minute.Local().Format("Mon 2006-01-02 15:04:05 MST"), nil
		}
	}
	return false, nil
}
