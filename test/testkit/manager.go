package testkit

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Manager receives what a service sends to the service manager (sd_notify(3)).
type Manager struct {
	// Path is for NOTIFY_SOCKET.
	Path string

	t    testing.TB
	conn *net.UnixConn
}

// managerTimeout is how long a notification may take to arrive.
const managerTimeout = 20 * time.Second

// ListenAsManager receives notifications on a socket in dir, until the test ends.
func ListenAsManager(t testing.TB, dir string) *Manager {
	t.Helper()
	m := &Manager{t: t, Path: filepath.Join(dir, "n")}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.Path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.conn.Close() })
	return m
}

// Next returns the next notification. Descriptors that come with it are closed.
func (m *Manager) Next() string {
	m.t.Helper()
	text, err := m.receive(managerTimeout)
	if err != nil {
		m.t.Fatalf("systemd is not notified: %v", err)
	}
	return text
}

// ExpectNone fails the test if a notification comes within a time.
func (m *Manager) ExpectNone(within time.Duration) {
	m.t.Helper()
	if text, err := m.receive(within); err == nil {
		m.t.Errorf("systemd is notified of %q", text)
	}
}

// Await returns the next notification with this prefix, and fails the test if an unwanted
// one arrives before it.
func (m *Manager) Await(begin string, unwanted ...string) string {
	m.t.Helper()
	for {
		got := m.Next()
		if strings.HasPrefix(got, begin) {
			return got
		}
		for _, word := range unwanted {
			if strings.HasPrefix(got, word) {
				m.t.Fatalf("systemd is notified of %q before %q", got, begin)
			}
		}
	}
}

func (m *Manager) receive(within time.Duration) (string, error) {
	_ = m.conn.SetReadDeadline(time.Now().Add(within))
	buffer, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := m.conn.ReadMsgUnix(buffer, oob)
	if err != nil {
		return "", err
	}
	if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
		for i := range messages {
			files, _ := unix.ParseUnixRights(&messages[i])
			for _, fd := range files {
				_ = unix.Close(fd)
			}
		}
	}
	return string(buffer[:n]), nil
}
