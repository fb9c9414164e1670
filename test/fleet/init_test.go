package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventsvc/eventsvc/internal/fleet"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// The commands of the nats CLI that 'eventsvc fleet init' prints make the same streams
// as 'eventsvc forward --create' does.
func TestFleetInit_streamsByCLI(t *testing.T) {
	cli := testkit.Peers("bin/nats")
	if _, err := os.Stat(cli); err != nil {
		testkit.Missing(t, "the nats CLI", "test/peers/nats.sh --cli")
	}
	out, err := exec.Command(binary, "fleet", "init", "h7").Output()
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^#   nats .*$`).FindAllString(string(out), -1)
	if len(commands) != 2 {
		t.Fatalf("there are %d commands in\n%s", len(commands), out)
	}
	byHand, byUs := startNATS(t), startNATS(t)
	for _, line := range commands {
		c := exec.Command("sh", "-c", strings.TrimLeft(line, "# "))
		c.Env = append(os.Environ(), "PATH="+filepath.Dir(cli)+":"+os.Getenv("PATH"), "NATS_URL="+byHand.url, "HOME="+t.TempDir())
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	nc, _ := byUs.connect(t)
	defer nc.Close()
	if err := fleet.CreateStreams(t.Context(), nc, 1, 0); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{fleet.EventsStream, fleet.HostsStream} {
		if got, want := configOf(t, byHand, stream), configOf(t, byUs, stream); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", stream, got, want)
		}
	}
}

// configOf returns the configuration of a stream, without what is only recorded there.
func configOf(t *testing.T, s *server, stream string) jetstream.StreamConfig {
	t.Helper()
	nc, js := s.connect(t)
	defer nc.Close()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	found, err := js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(fmt.Errorf("stream %s: %w", stream, err))
	}
	c := found.CachedInfo().Config
	c.Metadata = nil
	return c
}
