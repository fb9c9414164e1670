package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/wholefile"
)

// cursorFile stores the cursor of what has been printed, in a file with one line. The
// file is replaced as a whole, so that a process that reads it, even after a crash,
// finds either this cursor or the previous one.
type cursorFile struct {
	path string
	kept string // what is in the file
}

// maxCursor is the length of a cursor in bytes, as the contract says.
const maxCursor = 255

// read returns the cursor in the file, "" if there is no file or it is empty, as
// journalctl(1) has it: mktemp(1) makes such a file. A crash does not.
func (f *cursorFile) read() (string, error) {
	path, err := resolve(f.path)
	if err != nil {
		return "", errors.WithMessage(err, "cannot use the cursor file")
	}
	f.path = path
	found, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	// It would be replaced: /dev/null, for example, by a file, for all programs of the
	// host.
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
		return "", errors.Errorf("cannot use the cursor file %s: its content is not a cursor; "+
			"name another file, or remove it", f.path)
	}
	f.kept = cursor
	return cursor, nil
}

// checkWritable returns what would make write fail, before anything is printed whose
// cursor could not be stored.
func (f *cursorFile) checkWritable() error {
	dir := filepath.Dir(f.path)
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return errors.Errorf("cannot keep the cursor in %s: cannot write to %s: %v", f.path, dir, err)
	}
	return nil
}

// write stores the cursor in the file.
func (f *cursorFile) write(cursor string) error {
	if cursor == "" || cursor == f.kept {
		return nil
	}
	if err := wholefile.Write(f.path, []byte(cursor+"\n")); err != nil {
		return errors.WithMessagef(err, "cannot keep the cursor in %s: cannot write it", f.path)
	}
	f.kept = cursor
	return nil
}

// resolve follows the symbolic links of a path. It accepts neither a link nor the file
// itself if another user has put it into a directory for all, such as /tmp. These are
// the rules of fs.protected_symlinks and fs.protected_regular in proc_sys_fs(5), which
// the kernel only enforces if they are enabled. If there is no file, the path is
// returned unchanged.
func resolve(path string) (string, error) {
	const most = 40 // links, as in the kernel
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest, done, links := path[1:], "/", 0
	for rest != "" {
		name, after, _ := strings.Cut(rest, "/")
		next := filepath.Join(done, name)
		var dir, st unix.Stat_t
		if found := unix.Lstat(next, &st) == nil; !found {
			return filepath.Join(next, after), nil // opening it returns the error
		}
		isLink := st.Mode&unix.S_IFMT == unix.S_IFLNK
		if isLink || after == "" && st.Mode&unix.S_IFMT == unix.S_IFREG {
			if err := unix.Stat(done, &dir); err != nil {
				return "", err
			}
			const forAll = unix.S_ISVTX | 0o002
			if dir.Mode&forAll == forAll && int(st.Uid) != os.Geteuid() && st.Uid != dir.Uid {
				return "", errors.Errorf("%s belongs to uid %d, in a directory that all users can write to; remove it, or name another file", next, st.Uid)
			}
		}
		if !isLink {
			rest, done = after, next
			continue
		}
		target, err := os.Readlink(next)
		if links++; err != nil || links > most {
			return "", errors.Errorf("%s has too many links", path)
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = strings.TrimPrefix(filepath.Join("/", target), "/")
		if !filepath.IsAbs(target) {
			rest = target
		}
		rest = strings.TrimSuffix(rest+"/"+after, "/")
	}
	return done, nil
}
