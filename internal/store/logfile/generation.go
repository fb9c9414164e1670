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

// generation is one file that has been the log. A field marked as guarded is guarded by
// the mutex named there. The others, except uid, never change once the generation is
// part of the chain.
type generation struct {
	seq  uint64
	id   uint64 // identifies the generation, the same in every process
	file fileID
	f    *os.File
	disk disk
	// uid is the user whose events are in the file, as of the last stat; or unknownUID.
	uid atomic.Int64
	// direct: it is certain that no other file was at the path between its predecessor
	// and this one.
	direct bool
	// early: the file was opened before the kernel had reported it. The report follows
	// a moment later, and may then make the file direct.
	early   bool
	isMount bool // mounted over another file
	index   index

	join   int64  // the offset at which it continues its predecessor
	lost   bool   // it is not proved to continue its predecessor
	whole  bool   // nothing written to it or to an earlier one is missing at its start
	origin uint64 // names the time without a file that it ended, 0: uncertain

	// guarded by chain.mu
	refs    int
	retired bool
	end     int64 // after the last whole line; set once it is retired
	cut     bool  // truncated in place: what was read is no longer there

	skipped map[int64]struct{} // offsets of lines that are not events; guarded by skips.mu

	passing sync.Mutex
	// Of a line that is too long to be read: its start, and up to where it was found
	// not to end.
	passedFrom, passedTo int64
}

// fileState is the state of a file as the kernel reports it, all at one moment.
type fileState struct {
	size     int64
	modified time.Time
	uid      int64 // of the user whose events are in it
}

// unknownUID is the user of events in a file that several users may write to.
const unknownUID = -1

// uidOfEvents returns the user whose events are in a file: its owner, unless others may
// write to it, too.
func uidOfEvents(owner uint32, mode uint32) int64 {
	const othersWrite = unix.S_IWGRP | unix.S_IWOTH
	if mode&othersWrite != 0 {
		return unknownUID
	}
	return int64(owner)
}

// fileID identifies a file. Inode numbers are reused, so the birth time is part of it
// where the file system has one.
type fileID struct {
	dev, ino uint64
	birth    int64 // nanoseconds since the epoch, 0 if the file system has none
}

func (id fileID) hash() uint64 {
	var b [24]byte
	if id.birth == 0 { // inode numbers of an in-memory file system restart at each boot
		id.dev ^= bootHash()
	}
	binary.LittleEndian.PutUint64(b[0:], id.dev)
	binary.LittleEndian.PutUint64(b[8:], id.ino)
	binary.LittleEndian.PutUint64(b[16:], uint64(id.birth))
	return xxhash.Sum64(b[:])
}

// bootHash is a different number after each boot.
var bootHash = sync.OnceValue(func() uint64 {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return rand.Uint64() // a file that cannot be identified is never equal to another
	}
	return xxhash.Sum64(id)
})

// identify returns the identity of the file at the path, or of the descriptor if the
// path is empty, with its owner, size and mode.
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

// errNoFile is wrapped by errors for a path that holds something else than a file.
var errNoFile = errors.New("it is not a regular file; name the log file itself")

// openGeneration opens the file at the path for reading. It never blocks, and refuses
// anything but a regular file.
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

// again returns a new generation for the same file, with another identity.
func (g *generation) again(id uint64) (*generation, error) {
	f, err := g.disk.dup(g.f)
	if err != nil {
		return nil, errors.Wrap(err, "cannot reopen the log")
	}
	other := &generation{id: id, file: g.file, f: f, disk: g.disk}
	other.uid.Store(g.uid.Load())
	return other, nil
}

// unreadable is the error for one generation whose file could not be read.
type unreadable struct {
	g *generation
	error
}

func (e *unreadable) Unwrap() error { return e.error }

// stat returns the state of the file now. Call it before reading events: the owner,
// which decides their user, may change.
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
