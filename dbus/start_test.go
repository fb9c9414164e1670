package dbus

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// Each call answers each fault of a store with its error, and gives back what it
// had taken.
func TestCall_storeFailsAtStart(t *testing.T) {
	for _, fault := range testkit.StartFaults() {
		t.Run(fmt.Sprint(fault.Name, fault.Err), func(t *testing.T) {
			r := newRigOn(t, func(st store.Store) store.Store { return &testkit.StartFails{Store: st, Err: fault.Err} })
			r.panics = true
			want := errorPrefix + fault.Name
			if fault.Err == nil {
				want = dbuswire.ErrFailed
			}
			c := r.client()
			options := dict{"after": v("x")}
			for range 2 * limits.PanicBurst {
				for method, args := range map[string][]any{
					"GetEvents": {[]string{}, options}, "Subscribe": {"t", []string{}, options},
					"OpenStream": {[]string{}, options}, "GetLastEvent": {[]string{}},
				} {
					var failed godbus.Error
					if _, err := try(c, method, args...); !errors.As(err, &failed) || failed.Name != want {
						t.Fatalf("%s: error is %v, want %s", method, err, want)
					}
				}
			}
			of := r.server.core.Used(&subscriptionQuota) + r.server.core.Used(&streams)
			if n, past := r.feed.Subscribers(), r.server.core.PastReaders(); n+of+past > 0 {
				t.Errorf("%d subscribers, %d of the quotas and %d readers of the past are left", n, of, past)
			}
			if n := strings.Count(r.logged.String(), "a call panicked"); n > limits.PanicBurst {
				t.Errorf("%d panics are logged", n)
			}
		})
	}
}
