package service

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// A client that speaks HTTP is answered in HTTP, whatever it sends first and
// however little of it has come.
func TestHTTP_answered(t *testing.T) {
	r := newRig(t)
	for _, request := range []string{
		"PROPFIND / HTTP/1.1\r\n\r\n", "GET /v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST /", "GET / HTTP/1.0\r\n\r\n\x00",
	} {
		c := r.dial()
		if _, err := io.WriteString(c.conn, request); err != nil {
			t.Fatal(err)
		}
		reply, err := io.ReadAll(c.conn)
		if err != nil || !strings.HasPrefix(string(reply), "HTTP/1.1 400 ") || !strings.Contains(string(reply), "speaks Varlink") {
			t.Errorf("%q is answered with %q, %v", request, reply, err)
		}
	}
}

// Any other client that cannot mean a call is answered at once, too, and not when the
// time for a request is over.
func TestForeign_answered(t *testing.T) {
	r := newRig(t)
	for _, request := range []string{"SSH-2.0-OpenSSH_9.2\r\n", "hello", "\n*1\r\n$4\r\nPING\r\n", "\x16\x03\x01\x02", "[]"} {
		c := r.dial()
		if _, err := io.WriteString(c.conn, request); err != nil {
			t.Fatal(err)
		}
		reply, err := io.ReadAll(c.conn)
		if err != nil || !strings.HasPrefix(string(reply), "This socket speaks Varlink") {
			t.Errorf("%q is answered with %q, %v", request, reply, err)
		}
	}
	c := r.dial()
	c.send(" \n{\"method\":\"org.varlink.service.GetInfo\"}")
	c.alive()
}

// So is one that ends its call with a newline, soon: the NUL may come by itself.
func TestForeign_newline(t *testing.T) {
	r := newRig(t)
	const call = "{\"method\":\"org.varlink.service.GetInfo\"}\n"
	began := time.Now()
	for _, ends := range []bool{false, true} {
		c := r.dial()
		if _, err := io.WriteString(c.conn, call); err != nil {
			t.Fatal(err)
		}
		if ends {
			if err := c.conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		reply, err := io.ReadAll(c.conn)
		if err != nil || !strings.Contains(string(reply), "ends with a NUL byte") {
			t.Errorf("answered with %q, %v", reply, err)
		}
	}
	if took := time.Since(began); took > limits.RequestTimeout/2 {
		t.Errorf("the answers took %v", took)
	}
	c := r.dial()
	for _, part := range []string{call, "\n", "\x00"} {
		if _, err := io.WriteString(c.conn, part); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // that it arrives by itself
	}
	if reply := c.receive(); reply.Error != "" {
		t.Errorf("with the NUL it is answered with %s", reply)
	}
	c.alive()
}

// No method takes over the connection, and a method that is not here is that
// first.
func TestUpgrade_refused(t *testing.T) {
	r := newRig(t, withOther)
	c := r.dial()
	c.send(`{"method":"io.podman.events.GetStatus","upgrade":true}`)
	c.wantError(errInvalidParameter, `{"parameter":"upgrade"}`)
	c.send(`{"method":"org.varlink.service.GetInfo","upgrade":true}`)
	c.wantError(errInvalidParameter, `{"parameter":"upgrade"}`)
	c.send(`{"method":"org.example.other.ExecContainer","upgrade":true}`)
	c.wantError(errMethodNotImplemented, `{"method":"org.example.other.ExecContainer"}`)
	c.send(`{"method":"io.podman.events.GetStatus","upgrade":"yes"}`)
	c.wantError(errInvalidParameter, `{"parameter":"upgrade"}`)
	c.alive()
}
