package fleet

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// Mosquitto's client gets the events of all hosts from the MQTT listener of nats-server,
// and selects them by topic.
func TestRecipe_mqtt(t *testing.T) {
	testkit.Need(t, "mosquitto_sub")
	address := freeAddress(t)
	s := startNATS(t, "server_name: fleet", "mqtt { listen: \""+address+"\" }")
	s.await(address)
	name, port, _ := strings.Cut(address, ":")
	died := run(t, "stdbuf", "-oL", "mosquitto_sub", "-h", name, "-p", port, "-t", "containers/events/+/container/died", "-F", "%t %p", "-d")
	died.awaitSaid("received SUBACK")
	var hosts []*host
	for i := range 2 {
		h := newHost(t, fmt.Sprintf("h%d", i))
		h.forward(s)
		hosts = append(hosts, h)
	}
	for _, h := range hosts {
		h.write(3)
		h.add(func(e *events.Event) { e.Status = events.Exited })
	}
	for _, h := range hosts {
		died.awaitSaid("containers/events/" + h.name + `/container/died {"`)
	}
	if text := died.out.String(); strings.Contains(text, "container/start") {
		t.Errorf("it gets what it did not ask for:\n%s", text)
	}
}

// The SDK of CloudEvents understands each message of the stream.
func TestRecipe_cloudEvents(t *testing.T) {
	s := startNATS(t)
	h := newHost(t, "h0")
	h.forward(s)
	h.write(3)
	h.add(func(e *events.Event) { e.Name = "a b/\u00e9\n%" })
	h.add(func(e *events.Event) { e.Status = "a.b" })
	c := exec.Command("go", "run", ".", s.url, "5")
	c.Dir = "cloudevents"
	for range 2000 {
		if got := inStream(t, s); got != nil {
			break
		}
		time.Sleep(5 * time.Millisecond) // for the forwarder, which makes the stream
	}
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		var e struct {
			SpecVersion, ID, Source, Type, Subject, DataContentType string
			Time                                                    time.Time
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		want := map[int][2]string{3: {"io.podman.container.start", "a%20b%2F%C3%A9%0A%25"}, 4: {"io.podman.container.a_b", "n4"}}[n]
		if n < 3 {
			want = [2]string{"io.podman.container.start", fmt.Sprintf("n%d", n)}
		}
		if e.SpecVersion != "1.0" || e.ID == "" || e.Source != "/hosts/h0/podman" || e.Type != want[0] || e.Subject != want[1] || time.Since(e.Time) > time.Minute {
			t.Errorf("event %d: %s", n, line)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d events of 5", n)
	}
}
