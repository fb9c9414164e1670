package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// wire is a connection on which a test speaks Varlink byte by byte, without a client
// library.
type wire struct {
	conn *net.UnixConn
	r    *bufio.Reader
}

// event is an event in a reply.
type event struct {
	Cursor, Time, Type, Status, ID, Name, Image, Host string
	RawType, RawStatus, PodID, Network                string
	TimestampUSec                                     int64
	ExitCode                                          *int
	Attributes                                        map[string]string
	UID                                               *int
}

// reply is a reply of any method.
type reply struct {
	Error      string
	Continues  bool
	Parameters struct {
		Ready, Live, Complete bool
		Event                 *event
		Events                []event
		Cursor                string
		// of errors
		Filter, Reason, Field, Value, Parameter, Method, Interface, Oldest, Backend string
		// of GetStatus
		Skipped, Subscribers, EventsRead, EventsWritten int
		LastSkipped, Path, Fault, Newest                string
	}
}

func dial(socket string) (*wire, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

// params are the parameters of a call.
type params map[string]any

// send sends a call of a method of io.podman.events.
func (w *wire) send(method string, p params, more bool) error {
	call := map[string]any{"method": "io.podman.events." + method, "parameters": p}
	if more {
		call["more"] = true
	}
	b, err := json.Marshal(call)
	if err != nil {
		return err
	}
	_, err = w.conn.Write(append(b, 0))
	return err
}

// recv returns the next reply.
func (w *wire) recv() (*reply, error) {
	b, err := w.r.ReadBytes(0)
	if err != nil {
		return nil, err
	}
	r := new(reply)
	if err := json.Unmarshal(b[:len(b)-1], r); err != nil {
		return nil, fmt.Errorf("%w in %.200q", err, b)
	}
	return r, nil
}

// call calls a method and returns its one reply.
func (d *daemon) call(method string, p params) *reply {
	d.t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	defer w.close()
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	if err := w.send(method, p, false); err != nil {
		d.t.Fatal(err)
	}
	r, err := w.recv()
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// subscribe begins a subscription and reads its first reply.
func (d *daemon) subscribe(p params) *wire {
	d.t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(w.close)
	if err := w.send("Subscribe", p, true); err != nil {
		d.t.Fatal(err)
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(time.Minute))
	r, err := w.recv()
	if err != nil {
		d.t.Fatal(err)
	}
	_ = w.conn.SetReadDeadline(time.Time{})
	if !r.Parameters.Ready || r.Parameters.Cursor == "" {
		d.t.Fatalf("the first reply is %+v", r)
	}
	return w
}

// history returns the past events, page by page.
func (d *daemon) history(p params) []event {
	d.t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	defer w.close()
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	if err := w.send("GetEvents", p, true); err != nil {
		d.t.Fatal(err)
	}
	var all []event
	for {
		r, err := w.recv()
		if err != nil {
			d.t.Fatal(err)
		}
		if r.Error != "" {
			d.t.Fatalf("GetEvents %v: %+v", p, r)
		}
		all = append(all, r.Parameters.Events...)
		if !r.Continues {
			return all
		}
	}
}

// write writes a volume event through the daemon and returns its cursor.
func (w *wire) write(name string) (string, error) {
	if err := w.send("WriteEvent", params{"event": map[string]any{"type": "volume", "status": "create", "name": name}}, false); err != nil {
		return "", err
	}
	r, err := w.recv()
	if err != nil {
		return "", err
	}
	if r.Error != "" {
		return "", fmt.Errorf("WriteEvent: %s %s", r.Error, r.Parameters.Reason)
	}
	return r.Parameters.Cursor, nil
}
