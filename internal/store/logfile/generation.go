package logfile

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/store"
)

// generation is one file that has been the log. What is said to be guarded is, by
// the mutex that is named; the rest never changes once it is part of the chain, but
// for uid.
type generation struct {
	seq  uint64
	id   uint64 // of the file, the same in every process
	file fileID
	f    *os.File
	disk disk
	// uid is the user whose events are in the file, as it was when its state was
	// last looked at; unknownUID: not known.
	uid atomic.Int64
	// direct says that it is certain that no other file was at the path
	// between its predecessor and this one.
	direct bool
	// early says that the file was there before the kernel had reported any that
	// appeared: it does so a moment later, and then the file may be direct.
	early   bool
	isMount bool // it is mounted over another file
	index   index

	join   int64  // where it continues its predecessor
	lost   bool   // it cannot be proved to continue its predecessor
	whole  bool   // nothing that was written to it or to one before is missing at its start
	origin uint64 // of the time without a file that it ended, 0: it is not certain

	// guarded by chain.mu
	refs    int
	retired bool
	end     int64 // after the last whole line; valid once retired
	cut     bool  // it was truncated in place: what was read is no longer there

	skipped map[int64]struct{} // offsets of lines that are no events; guarded by skips.mu

	passing sync.Mutex
	// Of a line that is too long to be looked at: where it begins, and up to where
	// it was found not to end.
	passedFrom, passedTo int64
}

// fileState is what is said of a file by the kernel, all of it at one moment.
type fileState struct {
	size     int64
	modified time.Time
	uid      int64 // whose events are in it
}

// unknownUID is the user of the events in a file that several may write to.
const unknownUID = -1

// uidOfEvents returns the user whose events are in a file: that of its owner,
// unless others may write to it, too.
func uidOfEvents(owner uint32, mode uint32) int64 {
	const othersWrite = unix.S_IWGRP | unix.S_IWOTH
	if mode&othersWrite != 0 {
		return unknownUID
	}
	return int64(owner)
}

// fileID identifies a file. Inodes are used again, so the birth time is part
// of it where the file system has one.
type fileID struct {
	dev, ino uint64
	birth    int64 // nanoseconds since the epoch, 0 if the file system has none
}

func (id fileID) hash() uint64 {
	var b [24]byte
	if id.birth == 0 { // inodes of a file system in memory begin again with each boot
		id.dev ^= bootHash()
	}
	binary.LittleEndian.PutUint64(b[0:], id.dev)
	binary.LittleEndian.PutUint64(b[8:], id.ino)
	binary.LittleEndian.PutUint64(b[16:], uint64(id.birth))
	return xxhash.Sum64(b[:])
}

// bootHash is another number after each start of the machine.
var bootHash = sync.OnceValue(func() uint64 {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return rand.Uint64() // what cannot be identified is not taken for the same
	}
	return xxhash.Sum64(id)
})

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
	g := &generation{id: id.hash(), file: id, f: f, disk: d, isMount: stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0}
	g.uid.Store(uidOfEvents(stat.Uid, uint32(stat.Mode)))
	return g, nil
}

// again returns a generation that is the same file, under another identity.
func (g *generation) again(id uint64) (*generation, error) {
	f, err := g.disk.dup(g.f)
	if err != nil {
		return nil, errors.Wrap(err, "cannot reopen the log")
	}
	other := &generation{id: id, file: g.file, f: f, disk: g.disk}
	other.uid.Store(g.uid.Load())
	return other, nil
}

// unreadable is an error by which the file of one generation could not be read.
type unreadable struct {
	g *generation
	error
}

func (e *unreadable) Unwrap() error { return e.error }

// stat returns the state of the file now. It is called before events are read,
// whose user it decides: the owner of the file may become another.
func (g *generation) stat() (fileState, error) {
	state, err := g.disk.stat(g.f)
	if err != nil {
		return state, &unreadable{g, errors.Wrap(err, "cannot read the size of the log")}
	}
	g.uid.Store(state.uid)
	return state, nil
}

// size returns the size of the file now.
func (g *generation) size() (int64, error) {
	state, err := g.stat()
	return state.size, err
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
