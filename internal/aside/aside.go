// Package aside names the files as which eventsvc's own log is set aside: PATH.1 is the
// newest. The collector of a fleet writes such logs, and the service reads them.
package aside

import (
	"errors"
	"os"
	"strconv"
)

// Kept is how many files are kept.
const Kept = 3

// Path returns the name of the n-th file set aside, from 1, the newest, to Kept.
func Path(log string, n int) string { return log + "." + strconv.Itoa(n) }

// Set sets the log aside, and deletes the oldest file. rename is os.Rename, or a
// substitute. The log has to be created again.
func Set(log string, rename func(from, to string) error) error {
	for n := Kept; n > 1; n-- {
		if err := rename(Path(log, n-1), Path(log, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return rename(log, Path(log, 1))
}
