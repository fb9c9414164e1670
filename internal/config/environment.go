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

// Environment is all that the answers of this package depend on, so that a test
// can put a tree of its own in the place of the host. The zero value is root on
// a host without variables and without Podman; Host returns the real one.
type Environment struct {
	// Getenv returns a variable of the process, "" if it is not set. Nil: none is set.
	Getenv func(name string) string
	// UID is the effective user; 0 is root.
	UID int
	// Home is the user's home directory, "" if there is none.
	Home string
	// Root is a directory that stands for /: every path is looked up below it,
	// those of variables too, and reported without it. "" is the real root.
	Root string
	// Podman reports whether the podman command is on the host, and which release
	// it is, the zero Release if that is not known. Nil: it is not there.
	Podman func() (release Release, installed bool)
}

// Host returns the environment of this process: its variables, its effective
// user and the podman command that its PATH leads to.
func Host() Environment {
	return Environment{Getenv: os.Getenv, UID: os.Geteuid(), Home: home(os.Geteuid()), Podman: installedPodman}
}

// home returns the home directory as Podman finds it: HOME, else the user
// database. A system service has no HOME, yet root's containers.conf counts.
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

// pathVariable returns the cleaned path that a variable holds, "" if it is not
// set, and an error if the path is relative.
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

// podman is Podman with a missing function understood.
func (e Environment) podman() (Release, bool) {
	if e.Podman == nil {
		return Release{}, false
	}
	return e.Podman()
}

// rootless reports whether Podman would take its rootless ways.
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

// isPrivateDir reports whether path is itself a directory of the user that nobody
// else can write to: what lies in a directory open to all must be that.
func (e Environment) isPrivateDir(path string) bool {
	const othersWrite = 0o022
	entry, err := os.Lstat(e.real(path))
	return err == nil && entry.IsDir() && e.owns(entry) && entry.Mode().Perm()&othersWrite == 0
}

func (e Environment) owns(entry fs.FileInfo) bool {
	owner, ok := entry.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == e.UID
}

// isAbsent reports whether an error means that there is no such file. A path
// that leads through a file, as with HOME=/dev/null, is an absent file too.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// cause takes the operation and the path off an error of package os: the path
// is said already, and may begin with Root.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
