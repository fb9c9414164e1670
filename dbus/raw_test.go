package dbus

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

// rawClient is a client that does nothing by itself: it reads when it is made to
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
	c.send(&dbuswire.Header{Kind: godbus.TypeMethodCall, Path: "/org/freedesktop/DBus", Interface: "org.freedesktop.DBus", Member: "Hello", Destination: "org.freedesktop.DBus"}, nil)
	return c
}

// learnName reads the answer to Hello, and the signal that follows it.
func (c *rawClient) learnName() {
	_, body := c.read()
	c.unique = string(body[4 : len(body)-1])
	c.read()
}

func (c *rawClient) send(h *dbuswire.Header, body []byte) uint32 {
	c.serial++
	h.Serial = c.serial
	if _, err := c.sock.Write(dbuswire.AppendMessage(nil, h, body)); err != nil {
		c.t.Fatal(err)
	}
	return c.serial
}

// call calls a method of the service, with arguments that body encodes.
func (c *rawClient) call(method, signature string, body func(e *dbuswire.Encoder)) uint32 {
	e := dbuswire.NewEncoder(nil)
	body(&e)
	return c.send(&dbuswire.Header{
		Kind: godbus.TypeMethodCall, Path: eventsPath, Interface: eventsInterface, Member: method,
		Destination: eventsInterface, Signature: signature,
	}, e.Bytes())
}

// subscribeAll subscribes to all events, under the token s.
func (c *rawClient) subscribeAll() uint32 {
	return c.call("Subscribe", "sasa{sv}", func(e *dbuswire.Encoder) {
		e.Text("s")
		e.Texts(nil)
		dict1(e, "from_start", "b", func() { e.Bool(true) })
	})
}

func (c *rawClient) read() (dbuswire.Header, []byte) {
	c.t.Helper()
	const fixedSize = 16
	fixed, err := c.in.Peek(fixedSize)
	if err != nil {
		c.t.Fatal(err)
	}
	fields := int(binary.LittleEndian.Uint32(fixed[12:])+7) &^ 7
	message := make([]byte, fixedSize+fields+int(binary.LittleEndian.Uint32(fixed[4:])))
	if _, err := io.ReadFull(c.in, message); err != nil {
		c.t.Fatal(err)
	}
	h, size, _, ok := dbuswire.ParseHeader(message)
	if !ok {
		c.t.Fatal("no message")
	}
	return h, message[size:]
}

func (c *rawClient) answerPing(h dbuswire.Header) {
	c.send(&dbuswire.Header{Kind: godbus.TypeMethodReply, Destination: h.Sender, ReplySerial: h.Serial}, nil)
}

// dict appends a dictionary with one entry.
func dict1(e *dbuswire.Encoder, key, signature string, value func()) {
	a := e.Begin(8)
	e.Entry(key, signature)
	value()
	e.End(a)
}
