//go:build systemd && cgo

package journald

import (
	"reflect"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// TestPush: what the journal is to look for, by query.
func TestPush(t *testing.T) {
	id := strings.Repeat("ab", 32)
	group := func(matches ...string) sdjournal.Matches { return sdjournal.Matches{{matches}} }
	and := func(all ...sdjournal.Matches) (joined sdjournal.Matches) {
		for _, m := range all {
			joined = append(joined, m...)
		}
		return joined
	}
	for _, c := range []struct {
		name        string
		filters     []string
		uid         int64
		orUnknown   bool // of the query
		unknownUser bool // there are entries of no known user
		want        sdjournal.Matches
	}{
		{name: "everything", uid: store.AnyUID, want: ofPodman},
		{name: "one user", uid: 1000, want: and(ofPodman, group("_UID=1000"))},
		{name: "root, and nobody's", uid: 0, orUnknown: true, want: and(ofPodman, group("_UID=0"))},
		{name: "root, and nobody's, of which there are some", uid: 0, orUnknown: true, unknownUser: true, want: ofPodman},
		{name: "a status", filters: []string{"status=died"}, uid: store.AnyUID, want: group("PODMAN_EVENT=died")},
		{name: "a status of one user", filters: []string{"status=died"}, uid: 1000, want: group("PODMAN_EVENT=died")},
		{name: "an ID", filters: []string{"id=" + id}, uid: store.AnyUID, want: group("PODMAN_ID=" + id)},
		{
			name: "the rarest", filters: []string{"type=container", "name=web", "status=died"}, uid: store.AnyUID,
			want: sdjournal.Matches{{{"PODMAN_NAME=web"}, {"PODMAN_NETWORK_NAME=web"}}},
		},
		{name: "a label", filters: []string{"label=a"}, uid: store.AnyUID, want: ofPodman},
	} {
		t.Run(c.name, func(t *testing.T) {
			filters, err := filter.Parse(c.filters)
			if err != nil {
				t.Fatal(err)
			}
			q := store.Everything()
			q.Filters, q.UID, q.UnknownUser = filters, c.uid, c.orUnknown
			list := func(string, string) ([]string, bool, error) { return nil, true, nil }
			pushed, none, _, err := push(&q, list, func() (bool, error) { return !c.unknownUser, nil }, false)
			if err != nil || none {
				t.Fatal(none, err)
			}
			if got := choose(pushed); !reflect.DeepEqual(got, c.want) {
				t.Errorf("it looks for %q, want %q", got, c.want)
			}
		})
	}
}
