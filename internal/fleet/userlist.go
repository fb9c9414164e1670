package fleet

import (
	"bufio"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/config"
)

// Where the users of a host are found.
const (
	runtimeDirs = "/run/user"
	passwdFile  = "/etc/passwd"
)

const (
	// firstUser and lastUser bound the uids in /etc/passwd that count as people's
	// (login.defs(5)); users with a runtime directory always count.
	firstUser = 1000
	lastUser  = 60000
	// mostUsers bounds how many users are followed.
	mostUsers = 4096
)

// account is a user of this host.
type account struct {
	uid, gid uint32
	home     string
	// hasRuntime: the user has a runtime directory, being logged in or lingering.
	hasRuntime bool
	// runtime is the device of that directory: another one is mounted on it when the
	// user logs in.
	runtime uint64
}

// listUsers returns root, the people in /etc/passwd and the users with a runtime
// directory, by uid.
func listUsers() map[uint32]account {
	all := map[uint32]account{}
	if file, err := os.Open(passwdFile); err == nil { // otherwise only users with a runtime directory
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			// name:password:uid:gid:comment:home:shell
			words := strings.Split(lines.Text(), ":")
			if len(words) < 6 {
				continue
			}
			uid, err := strconv.ParseUint(words[2], 10, 32)
			gid, err2 := strconv.ParseUint(words[3], 10, 32)
			if err == nil && err2 == nil && (uid == 0 || uid >= firstUser && uid <= lastUser) {
				all[uint32(uid)] = account{uid: uint32(uid), gid: uint32(gid), home: words[5]}
			}
		}
	}
	entries, _ := os.ReadDir(runtimeDirs) // absent if no user is logged in
	for _, entry := range entries {
		uid, err := strconv.ParseUint(entry.Name(), 10, 32)
		if err != nil || uid == math.MaxUint32 {
			continue
		}
		a, known := all[uint32(uid)]
		if !known {
			a = lookUp(uint32(uid))
		}
		a.hasRuntime = true
		// Only what the kernel has cached: a user may have mounted a file system that
		// hangs.
		var stat unix.Statx_t
		const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
		if unix.Statx(unix.AT_FDCWD, filepath.Join(runtimeDirs, entry.Name()), flags, 0, &stat) == nil {
			a.runtime = unix.Mkdev(stat.Dev_major, stat.Dev_minor)
		}
		all[a.uid] = a
	}
	return all
}

// lookUp finds a user in the user database; one without an entry, which may have been
// removed, has no group and no home.
func lookUp(uid uint32) account {
	a := account{uid: uid, gid: uid}
	found, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return a
	}
	if gid, err := strconv.ParseUint(found.Gid, 10, 32); err == nil {
		a.gid, a.home = uint32(gid), found.HomeDir
	}
	return a
}

// logPath returns the path of the user's log file, according to the user's own
// containers.conf. Call it as the user: the files on the path are the user's, and may
// be anything.
func (a account) logPath(release config.Release) (string, error) {
	env := config.Environment{UID: int(a.uid), Home: a.home, Podman: func() (config.Release, bool) {
		return release, true // the configuration applies, whichever Podman is installed
	}}
	found, err := config.DiscoverBackend(env, config.File)
	return found.Path, err
}

// openedLog is an open log file, and the directory in which it was found.
type openedLog struct {
	*os.File
	dir dirID
}

// dirID distinguishes a directory from a later one at the same path, to which the file
// system may give the same number.
type dirID struct {
	dev, ino uint64
	born     unix.StatxTimestamp
}

func idOf(dir int) (dirID, error) {
	var stat unix.Statx_t
	err := unix.Statx(dir, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &stat)
	return dirID{unix.Mkdev(stat.Dev_major, stat.Dev_minor), stat.Ino, stat.Btime}, os.NewSyscallError("statx", err)
}

// openLog opens a log and calls at before that with the directory that it is in, or
// with the last existing one on its path. Call it as the user. It follows no link,
// opens only a regular file of the user, and does not block.
func (a account) openLog(path string, at func(dir int)) (*openedLog, error) {
	var id dirID
	f, err := open(path, func(dir int) (err error) {
		at(dir)
		id, err = idOf(dir)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(f)
	var stat unix.Stat_t
	if err := unix.Fstat(f, &stat); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errNotRegular
	case stat.Uid != a.uid:
		return nil, errNotOwn
	}
	// The file that was checked, whatever the name is by now. A lease would block.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(f), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	return &openedLog{os.NewFile(uintptr(fd), path), id}, nil
}

// Errors for logs that are not read.
var (
	errLink       = errors.New("a part of its path is a symbolic link, which is not followed")
	errNotRegular = errors.New("it is not a regular file")
	errNotOwn     = errors.New("it belongs to another user")
)

// open opens a path below root step by step, each name from the directory before:
// openat2(2) would do this, but systemd's RestrictSUIDSGID= blocks it.
func open(path string, look func(dir int) error) (int, error) {
	at, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("open", err)
	}
	names := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for i, name := range names {
		next, err := -1, error(unix.ENOENT)
		if i < len(names)-1 {
			next, err = unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		}
		if errors.Is(err, unix.ENOENT) { // it may be created and removed at any time, so watch first
			if err := look(at); err != nil {
				_ = unix.Close(at)
				return -1, err
			}
			next, err = unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		}
		_ = unix.Close(at)
		if err != nil {
			return -1, os.NewSyscallError("openat", err)
		}
		at = next
		var stat unix.Stat_t
		if err := unix.Fstat(at, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			_ = unix.Close(at)
			return -1, errLink
		}
	}
	return at, nil
}
