// Package rotated names the files that eventsvc's own log becomes when it is rotated:
// PATH.1 is the newest. The collector of a fleet writes such logs, and the service
// reads them.
package rotated

import (
	"errors"
	"os"
	"strconv"
)

// Kept is how many rotated files are kept.
const Kept = 3

// Path returns the name of the n-th rotated file, from 1, the newest, to Kept.
func Path(log string, n int) string { return log + "." + strconv.Itoa(n) }

// Rotate renames the log, and deletes the oldest rotated file. rename is os.Rename, or a
// substitute. The log has to be created again.
func Rotate(log string, rename func(from, to string) error) error {
	for n := Kept; n > 1; n-- {
		if err := rename(Path(log, n-1), Path(log, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return rename(log, Path(log, 1))
}
