package cli

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// bridged is a bridge in this process, with pipes as its stdin and stdout.
type bridged struct {
	in, out *os.File
	code    chan int
}

func newBridge(t *testing.T, r *rig) *bridged {
	t.Helper()
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b := &bridged{in: in, out: out, code: make(chan int, 1)}
	go func() {
		b.code <- Run(context.Background(), []string{"eventsvc", "bridge", "--address", r.address}, stdin, stdout, io.Discard)
		stdout.Close()
	}()
	t.Cleanup(func() {
		in.Close()
		out.Close()
		stdin.Close()
	})
	return b
}

func (b *bridged) call(t *testing.T, text string) {
	t.Helper()
	if _, err := b.in.WriteString(text + "\x00"); err != nil {
		t.Fatal(err)
	}
}

// frame reads the next reply.
func (b *bridged) frame(t *testing.T) string {
	t.Helper()
	var text []byte
	one := make([]byte, 1)
	b.out.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		if _, err := b.out.Read(one); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		if one[0] == 0 {
			return string(text)
		}
		text = append(text, one[0])
	}
}

func (b *bridged) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-b.code:
		return code
	case <-time.After(10 * time.Second):
		t.Fatal("the bridge does not end")
		return -1
	}
}

func TestBridge_callsAndReplies(t *testing.T) {
	r := newRig(t, sample)
	b := newBridge(t, r)
	for range 2 {
		b.call(t, `{"method":"io.podman.events.GetLastEvent","parameters":{}}`)
		if got := b.frame(t); !strings.Contains(got, `"name":"vol1"`) {
			t.Errorf("the reply is %s", got)
		}
	}
	b.in.Close()
	checkCode(t, b.wait(t), exitOK)
}

// Bridge keeps the stream when stdin ends.
func TestBridge_stdinEnds(t *testing.T) {
	r := newRig(t, sample)
	b := newBridge(t, r)
	b.call(t, `{"method":"io.podman.events.Subscribe","parameters":{},"more":true}`)
	if got := b.frame(t); !strings.Contains(got, `"ready":true`) {
		t.Fatalf("the first reply is %s", got)
	}
	b.in.Close()
	r.write("after the end of stdin")
	for !strings.Contains(b.frame(t), "after the end of stdin") {
		continue
	}
	r.stop()
	if got := b.frame(t); !strings.Contains(got, "io.podman.events.ShuttingDown") {
		t.Errorf("the last reply is %s", got)
	}
	checkCode(t, b.wait(t), exitOK)
}

// Bridge ends when the service does.
func TestBridge_serviceEnds(t *testing.T) {
	r := newRig(t, sample)
	b := newBridge(t, r)
	b.call(t, `{"method":"io.podman.events.GetLastEvent","parameters":{}}`)
	b.frame(t)
	r.stop() // with stdin still open
	checkCode(t, b.wait(t), exitOK)
}

func TestBridge_readerGone(t *testing.T) {
	r := newRig(t, sample)
	b := newBridge(t, r)
	b.call(t, `{"method":"io.podman.events.Subscribe","parameters":{},"more":true}`)
	b.frame(t)
	b.out.Close() // nothing is being written now
	checkCode(t, b.wait(t), exitOK)
}
