package config

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/pkg/errors"
)

// Environment is everything that the results of this package depend on, so that a test
// can substitute a tree of its own for the host. The zero value is root on a host
// without variables and without Podman; Host returns the real one.
type Environment struct {
	// Getenv returns a variable of the process, "" if it is not set. Nil: none is set.
	Getenv func(name string) string
	// UID is the effective user; 0 is root.
	UID int
	// Home is the user's home directory, "" if there is none.
	Home string
	// Root is a directory used as /: every path, including those in variables, is
	// looked up below it, and reported without it. "" is the real root.
	Root string
	// Podman reports whether the podman command is installed, and its release, the zero
	// Release if unknown. Nil: it is not installed.
	Podman func() (release Release, installed bool)
}

// Host returns the environment of this process: its variables, its effective user and
// the podman command in its PATH.
func Host() Environment {
	return Environment{Getenv: os.Getenv, UID: os.Geteuid(), Home: home(os.Geteuid()), Podman: installedPodman}
}

// home returns the home directory as Podman determines it: HOME, otherwise the user
// database. A system service has no HOME, but root's containers.conf applies to it.
func home(uid int) string {
	if dir := os.Getenv("HOME"); dir != "" {
		return dir
	}
	account, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return ""
	}
	return account.HomeDir
}

func (e Environment) variable(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

// pathVariable returns the cleaned path in a variable, "" if it is not set, and an
// error if the path is relative.
func (e Environment) pathVariable(name string) (string, error) {
	path := e.variable(name)
	if path == "" {
		return "", nil
	}
	if !filepath.IsAbs(path) {
		return "", errors.Errorf("cannot use %s=%q: the path is relative; set it to an absolute path or unset it", name, path)
	}
	return filepath.Clean(path), nil
}

// podman calls Podman if it is set.
func (e Environment) podman() (Release, bool) {
	if e.Podman == nil {
		return Release{}, false
	}
	return e.Podman()
}

// rootless reports whether Podman would run rootless.
func (e Environment) rootless() bool { return e.UID > 0 }

// real turns a path of the host into one that this process can open.
func (e Environment) real(path string) string {
	if e.Root == "" {
		return path
	}
	return filepath.Join(e.Root, path)
}

func (e Environment) stat(path string) (fs.FileInfo, error) { return os.Stat(e.real(path)) }

func (e Environment) exists(path string) bool {
	_, err := e.stat(path)
	return err == nil
}

func (e Environment) isDir(path string) bool {
	entry, err := e.stat(path)
	return err == nil && entry.IsDir()
}

// isOwnDir reports whether path leads to a directory of the user.
func (e Environment) isOwnDir(path string) bool {
	entry, err := e.stat(path)
	return err == nil && entry.IsDir() && e.owns(entry)
}

// isPrivateDir reports whether path itself is a directory of the user that no other
// user can write to. In a directory open to all, only that can be trusted.
func (e Environment) isPrivateDir(path string) bool {
	const othersWrite = 0o022
	entry, err := os.Lstat(e.real(path))
	return err == nil && entry.IsDir() && e.owns(entry) && entry.Mode().Perm()&othersWrite == 0
}

func (e Environment) owns(entry fs.FileInfo) bool {
	owner, ok := entry.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == e.UID
}

// isAbsent reports whether an error means that a file does not exist. A path that
// passes through a file, as with HOME=/dev/null, counts as absent, too.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// cause removes the operation and the path from an error of package os: the path is in
// the message already, and may begin with Root.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
