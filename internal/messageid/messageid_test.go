package messageid

import (
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestCatalog_everyMessage: each message has its entry in the catalog, which has no other.
func TestCatalog_everyMessage(t *testing.T) {
	text, err := os.ReadFile("../../dist/systemd/eventsvc.catalog")
	if err != nil {
		t.Fatal(err)
	}
	all := []slog.Attr{Lost, Expired, Denied, Fault, Recovered, Reloaded, NotReloaded}
	for _, id := range all {
		if strings.Count(string(text), "\n-- "+id.Value.String()+"\nSubject: ") != 1 {
			t.Errorf("there is no one entry for %s", id.Value)
		}
	}
	if n := strings.Count(string(text), "\n-- "); n != len(all) {
		t.Errorf("the catalog has %d entries for %d messages", n, len(all))
	}
}
