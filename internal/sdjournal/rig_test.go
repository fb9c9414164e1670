//go:build systemd && cgo

package sdjournal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

const (
	remote = "/lib/systemd/systemd-journal-remote"
	boot   = "0123456789abcdef0123456789abcdef"
	begin  = 1_772_600_760_000_000 // µs since the epoch
	only   = "SYSLOG_IDENTIFIER=wanted"
)

// export is a journal in systemd's export format.
type export struct {
	bytes.Buffer
	n int
}

// entry adds an entry, a second after the one before. Every entry has a NUMBER.
func (x *export) entry(fields ...string) {
	x.n++
	fmt.Fprintf(x, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", begin+x.n*1_000_000, x.n*1_000_000, boot)
	for _, field := range append([]string{fmt.Sprintf("NUMBER=%d", x.n)}, fields...) {
		name, value, _ := bytes.Cut([]byte(field), []byte{'='})
		x.Write(name)
		x.WriteByte('\n')
		_ = binary.Write(x, binary.LittleEndian, uint64(len(value)))
		x.Write(value)
		x.WriteByte('\n')
	}
	x.WriteByte('\n')
}

// numbered adds entries, each second of them one of another program's.
func (x *export) numbered(n int) {
	for i := range n {
		x.entry([]string{only, "SYSLOG_IDENTIFIER=other"}[i%2], "MESSAGE=number "+fmt.Sprint(i), "PRIORITY=6")
	}
}

// into appends the export to a journal file.
func (x *export) into(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(remote); err != nil {
		testkit.Missing(t, remote, "test/peers/install.sh")
	}
	from := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(from, x.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(remote, "-o", file, from).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", remote, err, out)
	}
	x.Reset()
}

// open opens the journal in a directory.
func open(t *testing.T, o Options) (*Journal, *Reader) {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := j.Reader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if o.Only != "" {
		if err := r.Match(Matches{{{o.Only}}}); err != nil {
			t.Fatal(err)
		}
	}
	return j, r
}

// numberField is the one field that most tests read.
var numberField = NewFields("NUMBER=")

// rest reads all that is left, and returns the numbers.
func rest(t *testing.T, r *Reader, back bool) (numbers []string, err error) {
	t.Helper()
	var entries []Entry
	for end := false; !end; {
		if entries, end, err = r.fill(entries, back, 100, numberField); err != nil {
			return numbers, err
		}
		for i := range entries {
			if entries[i].Fault != nil {
				numbers = append(numbers, entries[i].Fault.Error())
				continue
			}
			_, value, more := CutField(entries[i].Fields)
			if len(more) > 0 {
				t.Errorf("entry %d has more fields than were asked for", i)
			}
			numbers = append(numbers, string(value))
		}
	}
	return numbers, nil
}
