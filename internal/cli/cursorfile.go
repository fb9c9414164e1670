package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
)

// cursorFile keeps the cursor of what has been printed, in a file with one
// line. The file is replaced as a whole, so that whoever reads it, after a crash
// too, finds one cursor or the one before.
type cursorFile struct {
	path string
	kept string // what is in the file
}

// maxCursor is the length of a cursor in bytes, as the contract says.
const maxCursor = 255

// read returns the cursor in the file, "" if there is no file or it is empty.
func (f *cursorFile) read() (string, error) {
	if path, err := filepath.EvalSymlinks(f.path); err == nil {
		f.path = path
	}
	found, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	// It will be replaced: /dev/null, say, by a file for all programs of the host.
	if err == nil && !found.Mode().IsRegular() {
		return "", errors.Errorf("cannot use the cursor file %s: it is not a regular file; name another one", f.path)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(f.path)
	}
	if err != nil {
		return "", errors.Wrap(err, "cannot read the cursor file")
	}
	cursor := strings.TrimSuffix(string(text), "\n")
	isOther := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(cursor) > maxCursor || strings.ContainsFunc(cursor, isOther) {
		return "", errors.Errorf("cannot use the cursor file %s: it holds something other than a cursor; "+
			"name another file, or remove it", f.path)
	}
	f.kept = cursor
	return cursor, nil
}

// write puts the cursor into the file.
func (f *cursorFile) write(cursor string) error {
	if cursor == "" || cursor == f.kept {
		return nil
	}
	if err := replaceFile(f.path, cursor+"\n"); err != nil {
		return errors.WithMessagef(err, "cannot keep the cursor in %s", f.path)
	}
	f.kept = cursor
	return nil
}

// replaceFile writes a file beside the one at the path and gives it its name.
func replaceFile(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return errors.Wrap(err, "cannot create a file beside it")
	}
	_, err = file.WriteString(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return errors.Wrap(err, "cannot write it")
}
