package logfile

import (
	"errors"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// disk is the system calls that a store uses on files and directories. There is one
// implementation, kernel; tests have another, whose calls fail on demand.
type disk interface {
	// open opens a file for reading, or with the flags and the mode of open(2).
	open(path string, flags int, mode uint32) (*os.File, error)
	// at identifies the file at a path, and of an open one, each with its owner, size
	// and mode.
	at(path string) (fileID, unix.Statx_t, error)
	of(f *os.File) (fileID, unix.Statx_t, error)
	// stat returns the state of an open file.
	stat(f *os.File) (fileState, error)
	readAt(f *os.File, b []byte, off int64) (int, error)
	// write appends to a file that was opened for that.
	write(f *os.File, b []byte) (int, error)
	truncate(f *os.File, size int64) error
	// sync returns when what was written to the file would survive a power failure;
	// syncNames when the directory's entries would.
	sync(f *os.File) error
	syncNames(dir string) error
	rename(from, to string) error
	mkdir(dir string) error
	lock(f *os.File, cmd int, kind int16) error
	dup(f *os.File) (*os.File, error)
	// inotify creates an inotify instance; watch adds a watch on a directory or file to
	// it.
	inotify() (fd int, err error)
	watch(fd int, path string, mask uint32) (int, error)
}

// kernel makes the real calls, and repeats those that a signal interrupted.
type kernel struct{}

func (kernel) open(path string, flags int, mode uint32) (*os.File, error) {
	var fd int
	err := retry(func() (err error) {
		// Opening something else at the path must not block, and no terminal may become
		// ours.
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, mode)
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func (kernel) at(path string) (fileID, unix.Statx_t, error) { return identify(unix.AT_FDCWD, path) }

func (kernel) of(f *os.File) (id fileID, stat unix.Statx_t, err error) {
	if controlErr := control(f, func(fd int) error {
		id, stat, err = identify(fd, "")
		return err
	}); err == nil {
		err = controlErr
	}
	return id, stat, err
}

func (kernel) stat(f *os.File) (fileState, error) {
	var stat unix.Stat_t
	var err error
	for {
		err = unix.Fstat(int(f.Fd()), &stat)
		if err != unix.EINTR {
			break
		}
	}
	runtime.KeepAlive(f)
	return fileState{size: stat.Size, modified: time.Unix(stat.Mtim.Unix()), uid: uidOfEvents(stat.Uid, stat.Mode)}, err
}

func (kernel) readAt(f *os.File, b []byte, off int64) (int, error) { return f.ReadAt(b, off) }

func (kernel) write(f *os.File, b []byte) (int, error) { return f.Write(b) }

func (kernel) truncate(f *os.File, size int64) error { return f.Truncate(size) }

// sync is fdatasync(2), which omits the modification time but nothing needed to read
// the data back.
func (kernel) sync(f *os.File) error {
	return control(f, func(fd int) error {
		return os.NewSyscallError("fdatasync", retry(func() error { return unix.Fdatasync(fd) }))
	})
}

func (kernel) syncNames(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (kernel) rename(from, to string) error { return os.Rename(from, to) }

func (kernel) mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return os.MkdirAll(dir, dirMode)
}

func (kernel) lock(f *os.File, cmd int, kind int16) error { return lockFile(f, cmd, kind) }

func (kernel) dup(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (kernel) inotify() (int, error) {
	return unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
}

func (kernel) watch(fd int, dir string, mask uint32) (wd int, err error) {
	err = retry(func() (err error) {
		wd, err = unix.InotifyAddWatch(fd, dir, mask)
		return err
	})
	return wd, err
}

// retry repeats the call until no signal interrupts it.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// control runs the call with the file's descriptor, which is not closed meanwhile.
func control(f *os.File, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := raw.Control(func(fd uintptr) { err = call(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}
