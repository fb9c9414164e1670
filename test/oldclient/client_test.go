package oldclient_test

import (
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/oldclient"
)

// conversation is a recorded one.
type conversation struct {
	name           string
	args           []string
	sent, received []string // frames, with their NUL where they have one
	code           int
	stdout, stderr string
}

func conversations(t *testing.T) []conversation {
	t.Helper()
	text, err := os.ReadFile("testdata/transcripts.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []conversation
	for _, part := range strings.Split(string(text), "\n### ")[1:] {
		lines := strings.Split(strings.TrimSpace(part), "\n")
		name, args, _ := strings.Cut(lines[0], " | ")
		c := conversation{name: lines[0], args: splitArgs(args)}
		_ = name
		for _, line := range lines[1:] {
			frame := strings.ReplaceAll(line[min(len(line), 3):], `\0`, "\x00")
			switch {
			case strings.HasPrefix(line, "C> "):
				c.sent = append(c.sent, frame)
			case strings.HasPrefix(line, "S> "):
				c.received = append(c.received, frame)
			case strings.HasPrefix(line, "client rc="):
				if c.code, err = strconv.Atoi(strings.TrimPrefix(line, "client rc=")); err != nil {
					t.Fatal(err)
				}
			case strings.HasPrefix(line, "stdout|"):
				c.stdout += strings.TrimPrefix(strings.TrimPrefix(line, "stdout|"), " ") + "\n"
			case strings.HasPrefix(line, "stderr|"):
				c.stderr += strings.TrimPrefix(line, "stderr| ") + "\n"
			}
		}
		all = append(all, c)
	}
	return all
}

// splitArgs splits at blanks, but for those of a template.
func splitArgs(line string) []string {
	if before, format, ok := strings.Cut(line, " --format {{"); ok {
		return append(strings.Fields(before), "--format", "{{"+format)
	}
	return strings.Fields(line)
}

// The imitation behaves as the recorded client did.
func TestOldClient_asRecorded(t *testing.T) {
	played := 0
	for _, c := range conversations(t) {
		if len(c.sent) == 0 {
			continue // it did not connect
		}
		t.Run(c.name, func(t *testing.T) {
			here, there := net.Pipe()
			sent := make(chan []string)
			go func() { sent <- play(there, &c) }()
			var stdout, stderr strings.Builder
			code := oldclient.Run(here, &stdout, &stderr, c.args...)
			here.Close()
			if got := <-sent; strings.Join(got, "\n") != strings.Join(c.sent, "\n") {
				t.Errorf("sent\n%q, want\n%q", got, c.sent)
			}
			if code != c.code || stderr.String() != c.stderr {
				t.Errorf("exit code %d, stderr %q, want %d, %q", code, stderr.String(), c.code, c.stderr)
			}
			want := c.stdout
			if c.args[0] == "version" {
				// What it says about itself does not depend on the service.
				_, server, found := strings.Cut(want, "\nServer:")
				if want = "Server:" + server; !found {
					return
				}
			}
			if stdout.String() != want {
				t.Errorf("stdout is\n%s, want\n%s", stdout.String(), want)
			}
		})
		played++
	}
	if played < 50 {
		t.Errorf("only %d conversations were played", played)
	}
}

// play is the service of a conversation: it answers the last call with what is
// left. It returns what the client sent.
func play(conn net.Conn, c *conversation) []string {
	defer conn.Close()
	var sent []string
	received := c.received
	for i := range c.sent {
		var frame strings.Builder
		for b := make([]byte, 1); ; {
			if _, err := conn.Read(b); err != nil {
				return append(sent, frame.String())
			}
			frame.WriteByte(b[0])
			if b[0] == 0 {
				break
			}
		}
		sent = append(sent, frame.String())
		n := len(received)
		if i+1 < len(c.sent) {
			n = 1
		}
		for _, r := range received[:n] {
			if _, err := io.WriteString(conn, r); err != nil {
				return sent
			}
		}
		received = received[n:]
	}
	return sent
}
