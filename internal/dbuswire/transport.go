package dbuswire

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// transport is what godbus reads from and writes to instead of the socket of a bus.
// godbus only sees the authentication, replies of the bus itself and its signals. Calls
// of clients go to a function of the owner, and everything else is dropped and its
// descriptors closed. All writes, including those of godbus, are whole messages and go
// through one lock.
//
// One goroutine reads, that of godbus.
type transport struct {
	sock *net.UnixConn
	in   *bufio.Reader

	// call gets calls that are short enough, with their body, and tooLong the others;
	// answer gets replies and errors that godbus did not ask for, and reports whether
	// they were meant for it. All are called by the reading goroutine and must not
	// block.
	call    func(h Header, body []byte)
	tooLong func(h Header)
	answer  func(h *Header) bool

	begun bool   // authentication is over
	rest  []byte // of the message that godbus is reading

	passesFiles bool // the bus agreed to pass descriptors

	serials atomic.Uint64
	write   sync.Mutex // held while a message is written
}

// busName is the name of the bus itself.
const busName = "org.freedesktop.DBus"

// newTransport takes over the socket.
func newTransport(sock *net.UnixConn) *transport {
	const buffer = 64 << 10
	return &transport{sock: sock, in: bufio.NewReaderSize(&fileCloser{sock: sock}, buffer)}
}

// fileCloser reads from a socket and closes every descriptor that arrives with the
// data.
type fileCloser struct {
	sock *net.UnixConn
	oob  [2 << 10]byte // room for as many descriptors as one message can have (SCM_MAX_FD in unix(7))
}

func (r *fileCloser) Read(b []byte) (int, error) {
	n, oobn, _, _, err := r.sock.ReadMsgUnix(b, r.oob[:])
	closeFiles(r.oob[:max(0, oobn)])
	if n <= 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return max(0, n), err
}

// closeFiles closes all descriptors in control messages. The kernel has closed those
// for which there was no room.
func closeFiles(oob []byte) {
	if len(oob) == 0 {
		return
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for i := range messages {
		files, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range files {
			_ = unix.Close(fd)
		}
	}
}

// Read is called by godbus.
func (t *transport) Read(b []byte) (int, error) {
	if !t.begun {
		return t.in.Read(b)
	}
	for len(t.rest) == 0 {
		if err := t.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// next reads a message and passes it to its receiver.
func (t *transport) next() error {
	fixed, err := t.in.Peek(fixedSize)
	if err != nil {
		return err
	}
	h, headerSize, ok := prologue(fixed)
	if !ok {
		return errors.New("cannot read from the bus: it did not send a message")
	}
	size := headerSize + h.bodySize
	if headerSize > limits.DBusHeader {
		return t.discard(size)
	}
	head, err := t.in.Peek(headerSize)
	if err != nil {
		return err
	}
	if !h.parseFields(head) {
		return t.discard(size)
	}
	if size > limits.DBusMessage {
		if h.Kind == godbus.TypeMethodCall {
			t.tooLong(h)
		}
		return t.discard(size)
	}
	switch {
	case h.Kind == godbus.TypeMethodCall:
		return t.readCall(h, headerSize)
	case h.Kind != godbus.TypeSignal && t.answer(&h), h.Sender != busName:
		return t.discard(size)
	}
	t.rest = make([]byte, size)
	return t.fill(t.rest)
}

func (t *transport) readCall(h Header, headerSize int) error {
	if err := t.discard(headerSize); err != nil {
		return err
	}
	body := make([]byte, h.bodySize)
	if err := t.fill(body); err != nil {
		return err
	}
	t.call(h, body)
	return nil
}

func (t *transport) fill(b []byte) error {
	for len(b) > 0 {
		n, err := t.in.Read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (t *transport) discard(n int) error {
	_, err := t.in.Discard(n)
	return err
}

// beginLine ends the authentication.
const beginLine = "BEGIN\r\n"

// Write is called by godbus, once for each message. Before the authentication ends it
// asks the bus to pass descriptors, which godbus does only for its own transports.
func (t *transport) Write(b []byte) (int, error) {
	if !t.begun && string(b) == beginLine {
		if err := t.negotiate(); err != nil {
			return 0, err
		}
		t.begun = true
	}
	t.write.Lock()
	defer t.write.Unlock()
	return t.sock.Write(b)
}

func (t *transport) negotiate() error {
	if _, err := t.sock.Write([]byte("NEGOTIATE_UNIX_FD\r\n")); err != nil {
		return err
	}
	reply, err := t.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	t.passesFiles = strings.HasPrefix(string(reply), "AGREE_UNIX_FD")
	return nil
}

// Close is called by godbus.
func (t *transport) Close() error { return t.sock.Close() }

// GetSerial is called by godbus: all messages of the connection are numbered here.
// Serials are reused after four billion, and never 0.
func (t *transport) GetSerial() uint32 {
	const all = 1<<32 - 1
	return uint32(t.serials.Add(1)%all) + 1
}

// RetireSerial is called by godbus.
func (t *transport) RetireSerial(uint32) {}

// send writes complete messages.
func (t *transport) send(messages []byte) error {
	t.write.Lock()
	defer t.write.Unlock()
	_, err := t.sock.Write(messages)
	return errors.Wrap(err, "cannot write to the bus")
}

// sendFile writes one message and passes a descriptor with it. It does not close the
// file.
func (t *transport) sendFile(message []byte, file *os.File) error {
	t.write.Lock()
	defer t.write.Unlock()
	n, _, err := t.sock.WriteMsgUnix(message, unix.UnixRights(int(file.Fd())), nil)
	if err == nil && n < len(message) {
		_, err = t.sock.Write(message[n:])
	}
	return errors.Wrap(err, "cannot write to the bus")
}

// setTimeout bounds all reads and writes until it is called with 0.
func (t *transport) setTimeout(d time.Duration) {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = t.sock.SetDeadline(deadline)
}
