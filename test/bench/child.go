package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/varlink/go/varlink"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/iopodmanevents"
	"github.com/eventsvc/eventsvc/test/imitate"
)

// childPrefix begins the first argument of a process of this program that is a peer
// or a client.
const childPrefix = "child:"

func runChild(args []string) error {
	number := func(i int) int { n, _ := strconv.Atoi(args[i]); return n }
	switch args[0][len(childPrefix):] {
	case "write-local":
		return writeLocal(args[1], number(2))
	case "write-socket":
		return writeSocket(args[1], number(2), number(3), append([]byte(args[4]), 0))
	case "echo":
		return serveEcho(args[1])
	case "cat":
		return serveFile(args[1], args[2])
	case "replies":
		return serveReplies(args[1], number(2), false)
	case "pour":
		return serveReplies(args[1], number(2), true)
	}
	return fmt.Errorf("unknown child process %q", args[0])
}

// awaitStart reports that this process is ready, and waits for the start.
func awaitStart() error {
	if _, err := os.Stdout.Write([]byte{'r'}); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// writeLocal writes events as Podman does: for each, it opens and locks the lock file,
// checks the size of the log, opens it, writes, and closes both.
func writeLocal(path string, events int) error {
	if err := awaitStart(); err != nil {
		return err
	}
	for range events {
		p := imitate.Podman{Path: path, Limit: 1 << 40}
		err := p.Write(fmt.Sprintf(writtenLine, time.Now().Format(time.RFC3339Nano)))
		p.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// writeSocket makes calls, and makes the next when one is answered.
func writeSocket(socket string, calls, underWay int, frame []byte) error {
	w, err := dial(socket)
	if err != nil {
		return err
	}
	defer w.close()
	if err := awaitStart(); err != nil {
		return err
	}
	underWay = min(underWay, calls)
	if err := w.send(bytes.Repeat(frame, underWay)); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	many := bytes.Repeat(frame, underWay)
	for sent, answered := underWay, 0; answered < calls; {
		if err := w.await(); err != nil {
			return err
		}
		n, err := w.read(buf)
		if err != nil {
			return err
		}
		if bytes.Contains(buf[:n], []byte(`"error"`)) {
			return fmt.Errorf("unexpected reply: %.300s", buf[:n])
		}
		got := bytes.Count(buf[:n], []byte{0})
		answered += got
		next := min(got, calls-sent)
		if err := w.send(many[:next*len(frame)]); err != nil {
			return err
		}
		sent += next
	}
	return nil
}

// serveEcho replies to each frame with a frame as long as the reply to WriteEvent.
func serveEcho(socket string) error {
	reply := []byte(`{"parameters":{"cursor":"faGLqpx6jmsdrUwSAlVE8PRAxy"}}` + "\x00")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if _, err := conn.Write(bytes.Repeat(reply, bytes.Count(buf[:n], []byte{0}))); err != nil {
					return
				}
			}
		}()
	}
}

// serveFile copies a file to each client, as cat does.
func serveFile(socket, path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	for buf := make([]byte, 128<<10); ; {
		conn, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		if _, err := conn.Read(buf); err == nil {
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			_, _ = io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{file}, buf)
			_ = file.Close()
		}
		_ = conn.Close()
	}
}

// burstEvents returns the events of a burst as varlink/go sends them.
func burstEvents(n int) ([]iopodmanevents.Event, error) {
	lines, err := burstLines(n)
	if err != nil {
		return nil, err
	}
	made := make([]iopodmanevents.Event, 0, n)
	for line := range bytes.Lines(lines) {
		var e events.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, err
		}
		made = append(made, iopodmanevents.Event{
			Cursor: "faGLqpx6jmsdrUwSAlVE8PRAxy", Time: e.Time.Format("2006-01-02T15:04:05.000000000Z"), TimestampUSec: e.Time.UnixMicro(),
			Type: iopodmanevents.EventType(e.Type.Varlink()), Status: iopodmanevents.EventStatus(e.Status.Varlink()),
			Id: &e.ID, Name: &e.Name, Image: &e.Image, Attributes: &e.Attributes, Uid: new(int64(0)),
		})
	}
	return made, nil
}

// replies is a service as it is usually written with varlink/go.
type replies struct {
	iopodmanevents.VarlinkInterface
	events []iopodmanevents.Event
	ready  []byte // the events as frames, ready to be sent; nil: call Reply for each

	mu    sync.Mutex
	burst chan struct{} // closed when the next burst begins
}

// serveReplies sends a burst of events for each line that it reads.
func serveReplies(socket string, events int, ready bool) error {
	r := &replies{burst: make(chan struct{})}
	var err error
	if r.events, err = burstEvents(events); err != nil {
		return err
	}
	if ready {
		for i := range r.events {
			frame, err := json.Marshal(map[string]any{
				"parameters": map[string]any{"event": &r.events[i], "cursor": r.events[i].Cursor}, "continues": true,
			})
			if err != nil {
				return err
			}
			r.ready = append(append(r.ready, frame...), 0)
		}
	}
	service, err := varlink.NewService("eventsvc", "bench", "1", "https://github.com/eventsvc/eventsvc")
	if err != nil {
		return err
	}
	if err := service.RegisterInterface(iopodmanevents.VarlinkNew(r)); err != nil {
		return err
	}
	go func() {
		in := bufio.NewReader(os.Stdin)
		for {
			if _, err := in.ReadByte(); err != nil {
				return
			}
			r.mu.Lock()
			close(r.burst)
			r.burst = make(chan struct{})
			r.mu.Unlock()
		}
	}()
	return service.Listen(context.Background(), "unix:"+socket, 0)
}

func (r *replies) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.burst
}

// Subscribe replies with each event of each burst.
func (r *replies) Subscribe(ctx context.Context, c iopodmanevents.VarlinkCall, _ *[]string, _, _, _ *string, _ *bool, _ *int64, _ *bool) error {
	if !c.WantsMore() {
		return errors.New("more is missing")
	}
	c.Continues = true
	burst := r.next()
	if err := c.ReplySubscribe(ctx, new(true), nil, nil, ""); err != nil {
		return err
	}
	for {
		<-burst
		burst = r.next()
		if r.ready != nil {
			for piece := range slices.Chunk(r.ready, 64<<10) {
				if _, err := c.Conn.Write(ctx, piece); err != nil {
					return err
				}
			}
			continue
		}
		for i := range r.events {
			if err := c.ReplySubscribe(ctx, nil, nil, &r.events[i], r.events[i].Cursor); err != nil {
				return err
			}
		}
	}
}
