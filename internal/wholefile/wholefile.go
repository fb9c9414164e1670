// Package wholefile replaces files as a whole: a process that reads one, even after a
// crash or a power failure, finds its old contents or its new ones.
package wholefile

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pkg/errors"
)

// Write writes a temporary file next to the path, for this user only, and renames it. The
// temporary name is always the same, so that the next process replaces what a killed one
// left.
func Write(path string, data []byte) error {
	beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	const tries = 10 // two processes with the same file may replace each other's
	var err error
	for range tries {
		err = writeAndRename(beside, path, data)
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		_ = os.Remove(beside)
	}
	return errors.WithStack(err)
}

func writeAndRename(beside, path string, data []byte) error {
	file, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync() // else some file systems have an empty file after a power failure
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		_ = os.Remove(beside)
	}
	return err
}
