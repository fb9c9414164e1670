package imitate

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// A generated log is as its description says.
func TestLog_generated(t *testing.T) {
	var a, b bytes.Buffer
	log, err := Generate(&a, 20_000, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Generate(&b, 20_000, 7); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatal("the same seed makes another log", err)
	}
	if int64(a.Len()) != log.Bytes {
		t.Errorf("it has %d bytes, and says %d", a.Len(), log.Bytes)
	}
	var died, ofContainer, late, backwards, n int
	var last time.Time
	for line := range bytes.Lines(a.Bytes()) {
		n++
		var e events.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		again, err := e.AppendJSON(nil)
		if err != nil || string(again)+"\n" != string(line) {
			t.Fatalf("Podman would write\n%s\nand not\n%s", again, line)
		}
		if e.Status == events.Exited {
			died++
		}
		if e.ID == log.Container {
			ofContainer++
		}
		if e.Time.After(log.LastPercent) {
			late++
		}
		if e.Time.Before(last) {
			backwards++
		}
		last = e.Time
	}
	if n != log.Events || died != log.Died || died < n/20 || died > n/12 {
		t.Errorf("%d events, %d died; it says %d and %d", n, died, log.Events, log.Died)
	}
	if ofContainer < 10 || ofContainer > 30 || late < n/150 || late > n/75 || backwards < n/100 {
		t.Errorf("%d of one container, %d in the last percent, %d out of order", ofContainer, late, backwards)
	}
}
