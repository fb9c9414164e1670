package calls

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// Root and the user of the service may call, no one else.
func TestCalls_rights(t *testing.T) {
	c := New(nil, nil, activity.None{}, slog.New(slog.DiscardHandler))
	c.Policy.Self = 1000
	for uid, may := range map[uint32]bool{0: true, 1000: true, 1001: false, 65534: false} {
		if err := c.May(&access.Peer{UID: uid}); (err == nil) != may {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
}

// An error has its name in the contract.
func TestFaultOf(t *testing.T) {
	u := &autoupdate.Updater{Dir: t.TempDir(), Clock: autoupdate.SystemClock{}}
	c := New(func() *autoupdate.Updater { return u }, func(context.Context, func(autoupdate.Step)) (*autoupdate.Updater, func(), error) {
		return nil, nil, errors.New("there is no systemd")
	}, activity.None{}, slog.New(slog.DiscardHandler))
	defer c.Stop()
	if err := c.Hold(t.Context(), "a/b:c", ""); err != nil {
		t.Fatal(err)
	}
	if err := c.Release(t.Context(), "a/b:c"); err != nil {
		t.Fatal(err)
	}
	err := c.Release(t.Context(), "a/b:c")
	if f := FaultOf(err, "a/b:c"); f.Name != "NotHeld" || f.Parameters["image"] != "a/b:c" {
		t.Errorf("release: %+v", f)
	}
	_, err = c.Update(autoupdate.Options{})
	if f := FaultOf(err, ""); f.Name != "Failed" || f.Parameters["reason"] != "there is no systemd" {
		t.Errorf("update: %+v", f)
	}
}
