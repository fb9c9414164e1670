package logfile

import (
	"bytes"
	"io"
	"os"
	"path/filepath"

	"github.com/pkg/errors"
)

// Doubt returns why a path that was chosen by hand is hardly that of an event log:
// its directory does not exist, which the first event that is written here makes,
// or it is a file whose first lines are no events. It is nil otherwise, also if the
// file cannot be read.
func Doubt(path string) error {
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
		return nil // it is said elsewhere
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, doubtSize))
	if err != nil || !isOther(head) {
		return nil // it is said elsewhere
	}
	return errors.Errorf("the file %s is hardly an event log: no line at its beginning is an event; check the path, since events are written to it", path)
}

// doubtSize is how much of a file is looked at.
const doubtSize = 64 << 10

// isOther reports whether a file begins with what is no event log. A last line that
// is not whole may be an event if it begins as one.
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
