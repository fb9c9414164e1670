//go:build systemd && cgo

package sdjournal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	libsystemd "github.com/coreos/go-systemd/v22/sdjournal"
)

// alone reads a directory as libsystemd does without this package: how many
// entries it yields, and how long their longest field is.
func alone(t *testing.T, dir string, threshold uint64) (entries, longest int) {
	t.Helper()
	j, err := libsystemd.NewJournalFromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.SetDataThreshold(threshold); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := j.Next()
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return entries, longest
		}
		entries++
		if e, err := j.GetEntry(); err == nil {
			for _, value := range e.Fields {
				longest = max(longest, len(value))
			}
		}
	}
}

func wantNumbers(t *testing.T, got []string, err error, want ...int) {
	t.Helper()
	var list []string
	for _, n := range want {
		list = append(list, fmt.Sprint(n))
	}
	if err != nil || !slices.Equal(got, list) {
		t.Errorf("read %q, %v; want %q", got, err, list)
	}
}

// odd returns the odd numbers up to a last one.
func odd(last int) (all []int) {
	for i := 1; i <= last; i += 2 {
		all = append(all, i)
	}
	return all
}

func TestReader_bothWays(t *testing.T) {
	dir := t.TempDir()
	var x export
	x.numbered(1501) // more than one call reads
	x.into(t, filepath.Join(dir, "system.journal"))
	_, r := open(t, Options{Directory: dir, Only: only})
	if err := r.SeekHead(); err != nil {
		t.Fatal(err)
	}
	got, err := rest(t, r, false)
	wantNumbers(t, got, err, odd(1501)...)
	if err := r.SeekTail(); err != nil {
		t.Fatal(err)
	}
	got, err = rest(t, r, true)
	slices.Reverse(got)
	wantNumbers(t, got, err, odd(1501)...)
}

// TestReader_seek goes to an entry, and to where one would be.
func TestReader_seek(t *testing.T) {
	dir := t.TempDir()
	var x export
	x.numbered(9)
	x.into(t, filepath.Join(dir, "system.journal"))
	_, r := open(t, Options{Directory: dir, Only: only})
	if err := r.SeekHead(); err != nil {
		t.Fatal(err)
	}
	places, _, err := r.Next(nil, 3, nil)
	if err != nil || len(places) != 3 {
		t.Fatalf("read %d entries, %v", len(places), err)
	}
	third := places[2].Place
	r.Seek(&third)
	got, err := rest(t, r, false)
	wantNumbers(t, got, err, 5, 7, 9)
	missing := Place{Key: third.Key}
	missing.Realtime, missing.Monotonic, missing.Hash = third.Realtime+1, third.Monotonic+1, 1
	r.Seek(&missing)
	got, err = rest(t, r, false)
	wantNumbers(t, got, err, 7, 9)
}

func TestReader_match(t *testing.T) {
	dir := t.TempDir()
	var x export
	for _, color := range []string{"red", "green", "blue"} {
		x.entry(only, "COLOR="+color, "KIND=a")
		x.entry(only, "COLOR="+color, "KIND=b")
		x.entry("SYSLOG_IDENTIFIER=other", "COLOR="+color, "KIND=a")
	}
	x.into(t, filepath.Join(dir, "system.journal"))
	_, r := open(t, Options{Directory: dir})
	if err := r.Match(Matches{{{only}}, {{"COLOR=red", "COLOR=blue"}}, {{"KIND=b"}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.SeekHead(); err != nil {
		t.Fatal(err)
	}
	got, err := rest(t, r, false)
	wantNumbers(t, got, err, 2, 8)
	values := map[string]bool{}
	if err := r.Unique("COLOR", func(value []byte) bool { values[string(value)] = true; return true }); err != nil || len(values) != 3 {
		t.Errorf("the colors are %v, %v", values, err)
	}
}

// TestReader_unique: values that would have to be decompressed are not listed, and
// that is said.
func TestReader_unique(t *testing.T) {
	dir := t.TempDir()
	var x export
	for i := range 3 {
		x.entry("COLOR="+fmt.Sprint(i), "LONG="+strings.Repeat("0", 4096))
	}
	x.into(t, filepath.Join(dir, "system.journal"))
	_, r := open(t, Options{Directory: dir})
	for field, want := range map[string]int{"COLOR": 3, "NUMBER": 3, "NONE": 0, "LONG": -1} {
		n := 0
		err := r.Unique(field, func([]byte) bool { n++; return true })
		if want < 0 && !errors.Is(err, ErrUnlisted) || want >= 0 && (err != nil || n != want) {
			t.Errorf("%s has %d values, want %d: %v", field, n, want, err)
		}
	}
}

// TestReader_manyFiles: entries of several files come in one order, also from one
// that was written later.
func TestReader_manyFiles(t *testing.T) {
	dir := t.TempDir()
	var x, y export
	x.numbered(5)
	x.into(t, filepath.Join(dir, "system.journal"))
	_, r := open(t, Options{Directory: dir, Only: only})
	y.n = 6
	y.numbered(3)
	y.into(t, filepath.Join(dir, "user-1000.journal"))
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
		if r.Moved() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a file that appeared was not seen")
		}
	}
	_, again := open(t, Options{Directory: dir, Only: only})
	if err := again.SeekHead(); err != nil {
		t.Fatal(err)
	}
	got, err := rest(t, again, false)
	wantNumbers(t, got, err, 1, 3, 5, 7, 9)
}

// TestReader_longEntry: what is too long is not decompressed. libsystemd does that
// whatever its threshold is.
func TestReader_longEntry(t *testing.T) {
	dir := t.TempDir()
	const long = 8 << 20
	noise := make([]byte, long)
	f, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, noise); err != nil {
		t.Fatal(err)
	}
	var x export
	x.entry(only)
	x.entry(only, "ZEROS="+strings.Repeat("0", long)) // it is compressed, and not asked for
	x.entry(only, "NOISE="+string(noise))             // it is not compressed, and not asked for
	x.entry(only, "NUMBER="+string(noise))
	x.entry(only, "SHORT="+strings.Repeat("0", 100<<10))
	many := []string{only} // each is compressed
	for i := range 100 {
		many = append(many, fmt.Sprintf("SHORT%d=%s", i, strings.Repeat("0", 1<<10)))
	}
	x.entry(many...)
	x.entry(many[:20]...)
	x.into(t, filepath.Join(dir, "system.journal"))
	if _, longest := alone(t, dir, 1<<10); longest < long {
		t.Errorf("libsystemd alone kept to its threshold: %d bytes", longest)
	}
	_, r := open(t, Options{Directory: dir, Only: only, MaxEntry: 1 << 20})
	if err := r.SeekHead(); err != nil {
		t.Fatal(err)
	}
	got, err := rest(t, r, false)
	const fault = "its fields are longer than 1048576 bytes"
	if want := []string{"1", fault, "3", fault, "5", fault, "7"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("read %.200q, %v; want %q", got, err, want)
	}
}

// TestReader_compressedBeyondBuffer: a compressed field for which the buffer has no room,
// or no room beside other entries, is read whole with a call of its own.
func TestReader_compressedBeyondBuffer(t *testing.T) {
	dir := t.TempDir()
	var x export
	sizes := []int{100, 100 << 10, 100 << 10, 100 << 10, 300 << 10, 10, 900 << 10, 900 << 10, 200 << 10, 10, 5000}
	sizes = append(sizes, slices.Repeat([]int{5000}, 200)...)
	for _, size := range sizes {
		x.entry(only, "LONG="+strings.Repeat("0", size))
	}
	x.into(t, filepath.Join(dir, "system.journal"))
	_, r := open(t, Options{Directory: dir, Only: only, MaxEntry: 1 << 20})
	if err := r.SeekHead(); err != nil {
		t.Fatal(err)
	}
	long := NewFields("LONG=")
	var entries []Entry
	var got []int
	for end := false; !end; {
		var err error
		if entries, end, err = r.Next(entries, MaxEntries, long); err != nil {
			t.Fatal(err)
		}
		sum, longest := 0, 0
		for i := range entries {
			_, value, _ := CutField(entries[i].Fields)
			got = append(got, len(value))
			sum, longest = sum+len(value), max(longest, len(value))
		}
		if sum-longest > fillSize { // also after a longer one
			t.Errorf("%d entries of %d bytes were read at a time", len(entries), sum)
		}
	}
	if !slices.Equal(got, sizes) {
		t.Errorf("the fields have %d bytes, want %d", got, sizes)
	}
}

// TestReader_damagedFile: of what is lost in a damaged file libsystemd says nothing.
func TestReader_damagedFile(t *testing.T) {
	dir := t.TempDir()
	var x export
	x.numbered(4000)
	file := filepath.Join(dir, "system.journal")
	x.into(t, file)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	used, err := tail(f)
	if err != nil {
		t.Fatal(err)
	}
	const hole = 200 << 10 // among the entries, which come after the tables
	if _, err := f.WriteAt(make([]byte, hole), used-2*hole); err != nil {
		t.Fatal(err)
	}
	if n, _ := alone(t, dir, 0); n == 4000 {
		t.Error("libsystemd alone lost nothing")
	}
	j, err := Open(Options{Directory: dir, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for try := 0; ; try++ { // it is opened again a few times, as journald may have been at work
		r, err := j.Reader()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Match(Matches{{{only}}}); err != nil {
			t.Fatal(err)
		}
		if err := r.SeekHead(); err != nil {
			t.Fatal(err)
		}
		got, err = rest(t, r, false)
		r.Close()
		if err == nil {
			break
		}
		if !errors.Is(err, ErrStale) || try > tries {
			t.Fatal(err)
		}
	}
	if n, where := j.Lacking(); n == 0 || int(n) != 2000-len(got) || !strings.Contains(where, file) {
		t.Errorf("%d entries of 2000 were read, %d are said to lack: %s", len(got), n, where)
	}
}

// tail returns how much of a journal file is used, which may be less than it is
// long.
func tail(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	b := make([]byte, st.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return 0, err
	}
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return int64(len(b)), nil
}

// TestReader_fileThatIsBeingMade: a file without its head yet is waited for.
func TestReader_fileThatIsBeingMade(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	var x, y export
	x.numbered(1)
	x.into(t, filepath.Join(dir, "system.journal"))
	y.n = 2
	y.numbered(1)
	y.into(t, filepath.Join(elsewhere, "new.journal"))
	whole, err := os.ReadFile(filepath.Join(elsewhere, "new.journal"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "user-1000.journal")
	if err := os.WriteFile(file, make([]byte, len(whole)), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, _ := alone(t, dir, 0); n != 1 {
		t.Errorf("libsystemd alone read %d entries", n)
	}
	_, r := open(t, Options{Directory: dir, Only: only})
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Check(); err != nil || !r.Moved() {
		t.Errorf("the file is whole now, which was not seen: %v", err)
	}
	_, again := open(t, Options{Directory: dir, Only: only})
	if err := again.SeekHead(); err != nil {
		t.Fatal(err)
	}
	got, err := rest(t, again, false)
	wantNumbers(t, got, err, 1, 3)
}

// TestReader_removedFile: a file is removed, and its space given back, under a
// reader, which survives that and believes nothing of it.
func TestReader_removedFile(t *testing.T) {
	dir := t.TempDir()
	var x export
	x.numbered(2000)
	file := filepath.Join(dir, "system.journal")
	x.into(t, file)
	_, r := open(t, Options{Directory: dir, Only: only})
	if err := r.SeekHead(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(nil, 1, numberField); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	if got, err := rest(t, r, false); !errors.Is(err, ErrStale) {
		t.Errorf("read %d entries, %v", len(got), err)
	}
}
