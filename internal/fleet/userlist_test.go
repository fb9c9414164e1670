package fleet

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// What is not there yet is looked for where it will be made: a log that is soon
// removed again, with its directories, is read while it is there.
func TestOpen_missingDirectories(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(top, "libpod", "events", "events.log")
	var looked []string
	made := map[string]string{} // what is made while a directory is looked at
	at := func(dir int) error {
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(dir))
		if err != nil {
			return err
		}
		looked = append(looked, name)
		if made[name] != "" {
			return os.MkdirAll(made[name], 0o700)
		}
		return nil
	}
	if _, err := open(path, at); !errors.Is(err, os.ErrNotExist) || !slices.Equal(looked, []string{top}) {
		t.Fatalf("without directories: %v, looked at %q", err, looked)
	}
	looked, made[top] = nil, filepath.Dir(path)
	if _, err := open(path, at); !errors.Is(err, os.ErrNotExist) || !slices.Equal(looked, []string{top, filepath.Dir(path)}) {
		t.Fatalf("with directories made meanwhile: %v, looked at %q", err, looked)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	looked = nil
	f, err := open(path, at)
	if err != nil || !slices.Equal(looked, []string{filepath.Dir(path)}) {
		t.Fatalf("with a log: %v, looked at %q", err, looked)
	}
	_ = unix.Close(f)
}
