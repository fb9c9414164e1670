package logfile

import (
	"encoding/binary"
	"io"
	"os"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/store"
)

// generation is one file that has been the log. What is below mu is guarded by
// the store's mutex; the rest never changes.
type generation struct {
	seq  uint64
	id   uint64 // of the file, the same in every process
	file fileID
	f    *os.File
	disk disk
	uid  int64
	// direct says that it is certain that no other file was at the path
	// between its predecessor and this one.
	direct bool
	// elsewhere says that it may be written by a path in another directory: it
	// has several names, or is mounted here by itself.
	elsewhere bool
	index     index

	// guarded by Store.mu
	refs    int
	retired bool
	end     int64 // behind the last whole line; valid once retired
	join    int64 // where it continues its predecessor
	lost    bool  // it cannot be proved to continue its predecessor
	cut     bool  // it was truncated in place: what was read is no longer there
	skips   map[int64]struct{}
}

// fileID tells files apart. Inodes are used again, so the birth time is part
// of it where the file system has one.
type fileID struct {
	dev, ino uint64
	birth    int64 // nanoseconds since the epoch, 0 if the file system has none
}

func (id fileID) hash() uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[0:], id.dev)
	binary.LittleEndian.PutUint64(b[8:], id.ino)
	binary.LittleEndian.PutUint64(b[16:], uint64(id.birth))
	return xxhash.Sum64(b[:])
}

// identify returns the identity of the file at the path, or of the descriptor
// if the path is empty, with its owner, size and mode.
func identify(dirfd int, path string) (id fileID, stat unix.Statx_t, err error) {
	flags := 0
	if path == "" {
		flags = unix.AT_EMPTY_PATH
	}
	for {
		err = unix.Statx(dirfd, path, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &stat)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return id, stat, err
	}
	id.dev, id.ino = uint64(stat.Dev_major)<<32|uint64(stat.Dev_minor), stat.Ino
	if stat.Mask&unix.STATX_BTIME != 0 {
		id.birth = stat.Btime.Sec*1e9 + int64(stat.Btime.Nsec)
	}
	return id, stat, nil
}

// errNoFile is wrapped by errors on a path that holds something else.
var errNoFile = errors.New("it is not a regular file; name the log file itself")

// openGeneration opens the file at the path for reading. It never blocks, and
// refuses what is not a regular file.
func openGeneration(d disk, path string) (*generation, error) {
	f, err := d.open(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	id, stat, err := d.of(f)
	if err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNoFile
	}
	if err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	elsewhere := stat.Nlink > 1 || stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	return &generation{id: id.hash(), file: id, f: f, disk: d, uid: int64(stat.Uid), elsewhere: elsewhere}, nil
}

// again returns a generation that is the same file, under another identity.
func (g *generation) again(id uint64) (*generation, error) {
	f, err := g.disk.dup(g.f)
	if err != nil {
		return nil, errors.Wrap(err, "cannot open the log anew")
	}
	return &generation{id: id, file: g.file, f: f, disk: g.disk, uid: g.uid}, nil
}

// unreadable is an error by which the file of one generation could not be read.
type unreadable struct {
	g *generation
	error
}

func (e *unreadable) Unwrap() error { return e.error }

// stat returns the size of the file now, and when it was last written to.
func (g *generation) stat() (size int64, modified time.Time, err error) {
	if size, modified, err = g.disk.stat(g.f); err != nil {
		err = &unreadable{g, errors.Wrap(err, "cannot read the size of the log")}
	}
	return size, modified, err
}

// size returns the size of the file now.
func (g *generation) size() (int64, error) {
	size, _, err := g.stat()
	return size, err
}

// pos returns a position in the generation.
func (g *generation) pos(off int64) store.Pos { return store.Pos{Generation: g.seq, Offset: off} }

// readAt fills b from the offset and returns what there is before the end of
// the file.
func (g *generation) readAt(b []byte, off int64) ([]byte, error) {
	n, err := g.disk.readAt(g.f, b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &unreadable{g, errors.Wrap(err, "cannot read the log")}
	}
	return b[:n], nil
}
