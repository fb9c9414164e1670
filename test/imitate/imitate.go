// Package imitate writes an event log as Podman's processes do, but faster:
// the same lock, one write for each event, and the same rotation, in which the
// newer half is copied to a new file that replaces the old one. It is for tests of
// readers, and knows nothing of how eventsvc reads.
package imitate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Markers is how a version of Podman marks a rotation in the log.
type Markers int

// The markers of Podman's versions.
const (
	MarkEnd  Markers = iota // one after the half that is kept: 4.2 to 4.4
	MarkBoth                // one before and one after: 4.5 and later
)

// Podman is one Podman process that writes to a log.
type Podman struct {
	Path    string
	Limit   int64 // size at which the log is rotated, 0: never
	Markers Markers
	// Rotations counts those that this process did.
	Rotations int

	lock *os.File
}

// Line returns the line of a volume event in Podman 5's form.
func Line(name string, at time.Time) string {
	return fmt.Sprintf(`{"Name":%q,"Status":"create","Time":%q,"Type":"volume","Attributes":null}`, name, at.Format(time.RFC3339Nano))
}

// Write appends a line, which is given without its newline. If the log is full, it
// rotates it first.
func (p *Podman) Write(line string) error {
	if p.lock == nil {
		f, err := os.OpenFile(p.Path+".lock", os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		p.lock = f
	}
	if err := p.fcntl(unix.F_SETLKW, unix.F_WRLCK); err != nil {
		return err
	}
	defer func() { _ = p.fcntl(unix.F_SETLK, unix.F_UNLCK) }()
	if p.Limit > 0 {
		info, err := os.Stat(p.Path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err == nil && info.Size()+int64(utf8.RuneCountInString(line)) >= p.Limit {
			if err := p.rotate(); err != nil {
				return err
			}
		}
	}
	return p.append(line)
}

// Close frees what Write holds.
func (p *Podman) Close() {
	if p.lock != nil {
		_ = p.lock.Close()
		p.lock = nil
	}
}

func (p *Podman) fcntl(cmd int, kind int16) error {
	for {
		err := unix.FcntlFlock(p.lock.Fd(), cmd, &unix.Flock_t{Type: kind})
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (p *Podman) append(line string) error {
	f, err := os.OpenFile(p.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func (p *Podman) marker(word string) string {
	attributes := "null"
	if p.Markers == MarkBoth {
		attributes = fmt.Sprintf(`{"io.podman.event.rotate":%q}`, word)
	}
	return fmt.Sprintf(`{"Name":%q,"Status":"log-rotation","Time":%q,"Type":"system","Attributes":%s}`,
		p.Path, time.Now().Format(time.RFC3339Nano), attributes)
}

// rotate keeps the newer half of the log.
func (p *Podman) rotate() error {
	p.Rotations++
	old, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	info, err := old.Stat()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(p.Path), "rotate")
	if err != nil {
		return err
	}
	if p.Markers == MarkBoth {
		if _, err := tmp.WriteString(p.marker("begin") + "\n"); err != nil {
			return err
		}
	}
	if _, err := old.Seek(info.Size()/2, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReader(old)
	if _, err := r.ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if _, err := r.WriteTo(tmp); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), p.Path); err != nil {
		return err
	}
	return p.append(p.marker("end"))
}
