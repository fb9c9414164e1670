package logfile

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// faulty is a disk whose calls fail on request.
type faulty struct {
	kernel

	mu    sync.Mutex
	calls map[string]int
	// fails is asked before a call, with its name and which of its kind it is;
	// nil: none fails. A write that fails writes so many bytes before.
	fails func(call string, n int) (after int, err error)
}

func (d *faulty) next(call string) (after int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil {
		d.calls = make(map[string]int)
	}
	d.calls[call]++
	if d.fails == nil {
		return 0, nil
	}
	return d.fails(call, d.calls[call])
}

func (d *faulty) heal() { d.mu.Lock(); defer d.mu.Unlock(); d.fails = nil }

func (d *faulty) set(fails func(call string, n int) (int, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = fails
}

func (d *faulty) count(call string) int { d.mu.Lock(); defer d.mu.Unlock(); return d.calls[call] }

func (d *faulty) open(path string, flags int, mode uint32) (*os.File, error) {
	if _, err := d.next("open"); err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return d.kernel.open(path, flags, mode)
}

func (d *faulty) at(path string) (id fileID, stat unix.Statx_t, err error) {
	if _, err := d.next("at"); err != nil {
		return id, stat, err
	}
	return d.kernel.at(path)
}

func (d *faulty) of(f *os.File) (id fileID, stat unix.Statx_t, err error) {
	if _, err := d.next("of"); err != nil {
		return id, stat, err
	}
	return d.kernel.of(f)
}

func (d *faulty) stat(f *os.File) (fileState, error) {
	if _, err := d.next("stat"); err != nil {
		return fileState{}, err
	}
	return d.kernel.stat(f)
}

func (d *faulty) readAt(f *os.File, b []byte, off int64) (int, error) {
	if _, err := d.next("readAt"); err != nil {
		return 0, err
	}
	return d.kernel.readAt(f, b, off)
}

func (d *faulty) write(f *os.File, b []byte) (int, error) {
	if after, err := d.next("write"); err != nil {
		n, _ := d.kernel.write(f, b[:min(after, len(b))])
		return n, &os.PathError{Op: "write", Path: f.Name(), Err: err}
	}
	return d.kernel.write(f, b)
}

func (d *faulty) truncate(f *os.File, size int64) error {
	if _, err := d.next("truncate"); err != nil {
		return err
	}
	return d.kernel.truncate(f, size)
}

func (d *faulty) sync(f *os.File) error {
	if _, err := d.next("sync"); err != nil {
		return err
	}
	return d.kernel.sync(f)
}

func (d *faulty) syncNames(dir string) error {
	if _, err := d.next("syncNames"); err != nil {
		return err
	}
	return d.kernel.syncNames(dir)
}

func (d *faulty) rename(from, to string) error {
	if _, err := d.next("rename"); err != nil {
		return err
	}
	return d.kernel.rename(from, to)
}

func (d *faulty) mkdir(dir string) error {
	if _, err := d.next("mkdir"); err != nil {
		return err
	}
	return d.kernel.mkdir(dir)
}

func (d *faulty) lock(f *os.File, cmd int, kind int16) error {
	if _, err := d.next("lock"); err != nil {
		return err
	}
	return d.kernel.lock(f, cmd, kind)
}

func (d *faulty) dup(f *os.File) (*os.File, error) {
	if _, err := d.next("dup"); err != nil {
		return nil, err
	}
	return d.kernel.dup(f)
}

func (d *faulty) watch(fd int, dir string, mask uint32) (int, error) {
	if _, err := d.next("watch"); err != nil {
		return 0, err
	}
	return d.kernel.watch(fd, dir, mask)
}

func (d *faulty) inotify() (int, error) {
	if _, err := d.next("inotify"); err != nil {
		return 0, err
	}
	return d.kernel.inotify()
}
