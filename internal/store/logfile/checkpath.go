package logfile

import (
	"bytes"
	"io"
	"os"
	"path/filepath"

	"github.com/pkg/errors"
)

// CheckPath returns why a path that the administrator chose is probably not an event log's:
// its directory does not exist (the first event written here would create it), or the
// file's first lines are not events. It returns nil otherwise, and also if the file
// cannot be read.
func CheckPath(path string) error {
	found, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		dir := filepath.Dir(path)
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return errors.Errorf("there is no directory %s for the log; check the spelling of the path, or write an event to make it", dir)
		}
		return nil
	case err != nil || !found.Mode().IsRegular():
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil // reported elsewhere
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, checkSize))
	if err != nil || !isOther(head) {
		return nil // reported elsewhere
	}
	return errors.Errorf("the file %s is probably not an event log: none of its first lines is an event; check the path, since events are written to it", path)
}

// checkSize is how much of the file is checked.
const checkSize = 64 << 10

// isOther reports whether a file begins with something that is not an event log. An
// incomplete last line may be an event if it begins like one.
func isOther(head []byte) bool {
	var d decoded
	there := false
	for line := range bytes.Lines(head) {
		text := bytes.Trim(line, "\x00 \t\r\n") // NUL: a hole
		if len(text) == 0 {
			continue
		}
		whole, isWhole := bytes.CutSuffix(line, []byte{'\n'})
		if found, _ := d.decode(whole); found || !isWhole && text[0] == '{' {
			return false
		}
		there = true
	}
	return there
}
