//go:build systemd && cgo

package journald

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
)

const plain = "PODMAN_EVENT=died\nPODMAN_TYPE=container\nPODMAN_TIME=2026-11-23T12:46:15.5Z\nPODMAN_NAME=web"

// decode makes an event of fields, one a line.
func decode(fields string) (rec store.Record, lacking, err error) {
	var d decoder
	d.read(fieldsOf(fields))
	_, lacking, err = d.record(nil, false, &rec)
	return rec, lacking, err
}

// TestDecoder_user: the field that journald sets decides, and no other.
func TestDecoder_user(t *testing.T) {
	for fields, want := range map[string]int64{
		plain + "\n_UID=1000":                         1000,
		plain + "\n_UID=0\nPODMAN_UID=1000":           0,
		plain + "\nPODMAN_UID=0\nUID=0\nOBJECT_UID=0": -1,
		plain + "\n_UID=":                             -1,
		plain + "\n_UID=-1":                           -1,
		plain + "\n_UID=4294967296":                   -1,
	} {
		if rec, _, err := decode(fields); err != nil || rec.UID != want {
			t.Errorf("%q is of user %d, want %d: %v", fields, rec.UID, want, err)
		}
	}
}

// TestDecoder_labels: labels that are none, or too many, cost only themselves.
func TestDecoder_labels(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":"\"v"`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for labels, want := range map[string]int{
		`{"a":"b","c":"d"}`:     2,
		`{}`:                    0,
		`null`:                  0,
		many(limits.Labels):     limits.Labels,
		`{"a":"cut o`:           -1,
		`["a"]`:                 -1,
		`{"a":1}`:               -1,
		many(limits.Labels + 1): -1,
		`{"a":"` + strings.Repeat("x", limits.LabelsLength) + `"}`: -1,
	} {
		rec, lacking, err := decode(plain + "\nPODMAN_LABELS=" + labels)
		if err != nil {
			t.Errorf("%.40q cost the event: %v", labels, err)
			continue
		}
		e := rec.Event()
		if e.Name != "web" || len(e.Attributes) != max(want, 0) || (lacking != nil) != (want < 0) {
			t.Errorf("%.40q: %d labels, want %d: %v", labels, len(e.Attributes), want, lacking)
		}
		if lacking != nil && !strings.HasPrefix(lacking.Error(), "the labels are left out: ") {
			t.Errorf("%.40q: %v", labels, lacking)
		}
	}
}

// TestDecoder_noEvent: what is wrong with the rest costs the event.
func TestDecoder_noEvent(t *testing.T) {
	for fields, want := range map[string]error{
		"PODMAN_TYPE=container\nPODMAN_TIME=2026-11-23T12:46:15Z\nPODMAN_LABELS={": events.ErrEventStatusBlank,
		"PODMAN_EVENT=died\nPODMAN_TIME=2026-11-23T12:46:15Z":                      events.ErrEventTypeBlank,
		"PODMAN_EVENT=died\nPODMAN_TYPE=container":                                 events.ErrEventTimeBlank,
	} {
		if _, lacking, err := decode(fields); err == nil || err.Error() != want.Error() || lacking != nil {
			t.Errorf("%q: %v, %v; want %v", fields, err, lacking, want)
		}
	}
}
