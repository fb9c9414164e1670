package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// wire is a Varlink connection.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
}

// reply is a reply, whatever the method.
type reply struct {
	Error      string
	Continues  bool
	Parameters struct {
		Event                   *struct{ Name, Type string }
		Events                  []struct{ Name, Type string }
		Cursor, Reason          string
		Subscribers, EventsRead int64
	}
}

func dial(socket string) (*wire, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

type params map[string]any

func (w *wire) send(method string, p params, more bool) error {
	b, err := json.Marshal(map[string]any{"method": "io.podman.events." + method, "parameters": p, "more": more})
	if err != nil {
		return err
	}
	_, err = w.conn.Write(append(b, 0))
	return err
}

func (w *wire) receive() (*reply, error) {
	b, err := w.r.ReadBytes(0)
	if err != nil {
		return nil, err
	}
	r := new(reply)
	if err := json.Unmarshal(b[:len(b)-1], r); err != nil {
		return nil, err
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s %s", r.Error, r.Parameters.Reason)
	}
	return r, nil
}

func (w *wire) call(method string, p params) (*reply, error) {
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	if err := w.send(method, p, false); err != nil {
		return nil, err
	}
	return w.receive()
}
