package dbus

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// rawClient is a client that does nothing by itself: it reads when it is told
// to, and answers nothing. Descriptors that are sent to it the kernel closes.
type rawClient struct {
	t      testing.TB
	sock   net.Conn
	in     *bufio.Reader
	serial uint32
	unique string
}

func connectRaw(t testing.TB, path string) *rawClient {
	t.Helper()
	sock, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	c := &rawClient{t: t, sock: sock, in: bufio.NewReaderSize(sock, 256<<10)}
	sock.SetDeadline(time.Now().Add(2 * patience))
	fmt.Fprintf(sock, "\x00AUTH EXTERNAL %s\r\n", hex.EncodeToString(fmt.Append(nil, os.Geteuid())))
	if reply, err := c.in.ReadString('\n'); err != nil || reply[:2] != "OK" {
		t.Fatalf("cannot authenticate: %q, %v", reply, err)
	}
	fmt.Fprint(sock, "NEGOTIATE_UNIX_FD\r\n")
	if reply, err := c.in.ReadString('\n'); err != nil || reply[:5] != "AGREE" {
		t.Fatalf("cannot pass descriptors: %q, %v", reply, err)
	}
	fmt.Fprint(sock, "BEGIN\r\n")
	c.send(&header{kind: godbus.TypeMethodCall, path: "/org/freedesktop/DBus", iface: busName, member: "Hello", destination: busName}, nil)
	return c
}

// learnName reads the answer to Hello, and the signal that follows it.
func (c *rawClient) learnName() {
	h, body := c.read()
	d := decoder{b: body, order: h.order}
	c.unique = d.string()
	c.read()
}

func (c *rawClient) send(h *header, body []byte) uint32 {
	c.serial++
	h.serial = c.serial
	if _, err := c.sock.Write(appendMessage(nil, h, body)); err != nil {
		c.t.Fatal(err)
	}
	return c.serial
}

// call calls a method of the service, with arguments that body encodes.
func (c *rawClient) call(method, signature string, body func(e *encoder)) uint32 {
	e := newEncoder(nil)
	body(&e)
	return c.send(&header{
		kind: godbus.TypeMethodCall, path: eventsPath, iface: eventsInterface, member: method,
		destination: eventsInterface, signature: signature,
	}, e.bytes())
}

// subscribeAll subscribes to all events, under the token s.
func (c *rawClient) subscribeAll() uint32 {
	return c.call("Subscribe", "sasa{sv}", func(e *encoder) {
		e.string("s")
		e.strings(nil)
		e.dict("from_start", "b", func() { e.bool(true) })
	})
}

func (c *rawClient) read() (header, []byte) {
	c.t.Helper()
	fixed := make([]byte, fixedSize)
	if _, err := io.ReadFull(c.in, fixed); err != nil {
		c.t.Fatal(err)
	}
	h, size, ok := prologue(fixed)
	if !ok {
		c.t.Fatal("no message")
	}
	rest := make([]byte, size-fixedSize+h.bodySize)
	if _, err := io.ReadFull(c.in, rest); err != nil {
		c.t.Fatal(err)
	}
	if !h.parseFields(append(bytes.Clone(fixed), rest[:size-fixedSize]...)) {
		c.t.Fatal("no header")
	}
	return h, rest[size-fixedSize:]
}

func (c *rawClient) answerPing(h header) {
	c.send(&header{kind: godbus.TypeMethodReply, destination: h.sender, replySerial: h.serial}, nil)
}

// dict appends a dictionary with one entry.
func (e *encoder) dict(key, signature string, value func()) {
	a := e.begin(8)
	e.entry(key, signature)
	value()
	e.end(a)
}
