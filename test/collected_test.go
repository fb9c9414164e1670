package test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// Only the collector writes to a collected log: no interface lets a client add an event
// to it, whatever host and user the event names. In an ordinary log these members have no
// meaning.
func TestCollectedLog_refusesWrites(t *testing.T) {
	for _, collected := range []string{"hosts", "users", "no"} {
		t.Run(collected, func(t *testing.T) {
			bus := testkit.StartBus(t, buspolicy.Session)
			d := startDaemon(t, "--collected="+collected, "--dbus", bus.Address())
			c, err := dial(d.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			var said []string
			forged := map[string]any{
				"type": "volume", "status": "create", "name": "forged",
				"attributes": map[string]any{"Host": "h9", "UID": "0", "Place": "x"},
			}
			for _, more := range []map[string]any{nil, {"host": "h9", "uid": 0}, {"Host": "h9", "UID": 0}} {
				event := map[string]any{}
				for _, from := range []map[string]any{forged, more} {
					for key, value := range from {
						event[key] = value
					}
				}
				if err := c.send("WriteEvent", params{"event": event}, false); err != nil {
					t.Fatal(err)
				}
				r, err := c.recv()
				if err != nil {
					t.Fatal(err)
				}
				if (r.Error == "") != (collected == "no" && more == nil) {
					t.Errorf("Varlink, %v: %s %+v", more, r.Error, r.Parameters)
				}
				said = append(said, r.Error)
			}
			awaitName(t, bus)
			busctl := func(args ...string) error {
				out, err := exec.Command("busctl", append([]string{"--address=" + bus.Address(), "call", busName, objectPath, busName, "WriteEvent", "a{sv}"}, args...)...).CombinedOutput()
				said = append(said, string(out))
				return err
			}
			if err := busctl("3", "type", "s", "volume", "status", "s", "create", "name", "s", "forged"); (err == nil) != (collected == "no") {
				t.Errorf("D-Bus: %v", err)
			}
			for _, more := range [][]string{{"host", "s", "h9"}, {"Host", "s", "h9"}, {"uid", "u", "0"}, {"UID", "u", "0"}} {
				if err := busctl(append([]string{"4", "type", "s", "volume", "status", "s", "create", "name", "s", "forged"}, more...)...); err == nil {
					t.Errorf("D-Bus accepts %v", more)
				}
			}
			out, err := exec.Command(binary, "events", "--address", "unix:"+d.socket, "--stream=false", "--since=1h", "--all-users", "--format=json").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := strings.Count(string(out), "forged"); n != map[string]int{"no": 2}[collected] || strings.Contains(string(out), `"Host":"h9","`) && strings.Contains(string(out), `"Place"`) && collected != "no" {
				t.Errorf("the log has %d of them: %q\n%s", n, said, out)
			}
			own, err := exec.Command(binary, "events", "--address", "unix:"+d.socket, "--stream=false", "--since=1h", "--all-users", "--filter=host=h9").CombinedOutput()
			if err != nil || strings.Contains(string(own), "forged") {
				t.Errorf("an event was stored as that of another host: %v\n%s", err, own)
			}
		})
	}
}
