package varlinkwire

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// withUmask runs a function with a umask. It is the process's: no test that
// creates files runs beside it.
func withUmask(mask int, f func()) {
	old := unix.Umask(mask)
	defer unix.Umask(old)
	f()
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestListen_modeAndUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		for option, want := range map[string]fs.FileMode{"": 0o600, ",mode=0666": 0o666, ",mode=660,readonly": 0o660, ",mode=0777": 0o777} {
			path := filepath.Join(testkit.ShortDir(t), "s")
			withUmask(umask, func() {
				l, err := Listen("unix:" + path + option)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				if got := modeOf(t, path); got != want|fs.ModeSocket {
					t.Errorf("with umask %03o the mode of %q is %v, want %v", umask, option, got, want)
				}
				if l.ReadOnly() != strings.Contains(option, "readonly") {
					t.Errorf("ReadOnly of %q is %v", option, l.ReadOnly())
				}
			})
		}
	}
}

func TestListen_noFileBesideTheSocket(t *testing.T) {
	dir := testkit.ShortDir(t)
	l, err := Listen("unix:" + filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(dir + "/*"); len(names) != 1 {
		t.Errorf("there is %v", names)
	}
	if l.sock.Addr().String() != l.Path() {
		t.Errorf("the kernel shows %v for %v", l.sock.Addr(), l.Path())
	}
	l.Close()
	if names, _ := filepath.Glob(dir + "/*"); len(names) != 0 {
		t.Errorf("after Close there is %v", names)
	}
}

func TestListen_staleSocket(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestListen_liveSocket(t *testing.T) {
	r := newRig(t)
	if _, err := Listen("unix:" + r.path); err == nil || !strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("the error is %v", err)
	}
	r.dial().alive()
}

func TestListen_fullBacklog(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(c)
		_ = unix.Connect(c, &unix.SockaddrUnix{Name: path})
	}
	if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("the error is %v", err)
	}
}

func TestListen_noSocket(t *testing.T) {
	dir := testkit.ShortDir(t)
	others := map[string]func(path string) error{
		"file":    func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"dir":     func(path string) error { return os.Mkdir(path, 0o700) },
		"fifo":    func(path string) error { return unix.Mkfifo(path, 0o600) },
		"symlink": func(path string) error { return os.Symlink("/nonexistent", path) },
		"datagram": func(path string) error {
			c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return err
		},
	}
	for name, f := range others {
		path := filepath.Join(dir, name)
		if err := f(path); err != nil {
			t.Fatal(err)
		}
		before := modeOf(t, path)
		if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "left alone") {
			t.Errorf("%s: the error is %v", name, err)
		}
		if after := modeOf(t, path); after != before {
			t.Errorf("%s: it was %v, and is %v", name, before, after)
		}
	}
}

func TestListen_longPath(t *testing.T) {
	dir := testkit.ShortDir(t)
	fits := filepath.Join(dir, strings.Repeat("x", maxPath-len(dir)-1))
	l, err := Listen("unix:" + fits)
	if err != nil {
		t.Fatalf("with %d bytes: %v", len(fits), err)
	}
	conn, err := net.Dial("unix", fits)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	l.Close()
	if _, err := Listen("unix:" + fits + "y"); err == nil || !strings.Contains(err.Error(), "108 bytes") || !strings.Contains(err.Error(), "choose") {
		t.Errorf("the error is %v", err)
	}
}

func TestParseAddress_invalid(t *testing.T) {
	for _, address := range []string{
		"", "unix:", "/run/x", "tcp:127.0.0.1:1", "unix:@", "unix:/x,mode=0999", "unix:/x,mode=", "unix:/x,mode=0", "unix:/x,mode=4777",
		"unix:/x,rw", "unix:/x,readonly=1", "unix:/x,", "unix:@x,mode=0600", "unix:/a\x00b",
	} {
		if a, err := ParseAddress(address); err == nil || !strings.HasPrefix(err.Error(), "cannot listen on ") {
			t.Errorf("ParseAddress(%q) = %+v, %v", address, a, err)
		}
	}
	if _, err := Listen("unix:" + testkit.ShortDir(t) + "/missing/s"); err == nil || !strings.Contains(err.Error(), "create it first") {
		t.Errorf("without a directory the error is %v", err)
	}
}

func TestParseAddress_roundTrip(t *testing.T) {
	for _, address := range []string{"unix:/run/x", "unix:/run/x,mode=0666", "unix:/run/x,mode=0007,readonly", "unix:@x", "unix:@x,readonly"} {
		a, err := ParseAddress(address)
		if err != nil || a.String() != address {
			t.Errorf("ParseAddress(%q) = %q, %v", address, a.String(), err)
		}
	}
	if a, err := ParseAddress("unix:relative,mode=0600"); err != nil || !filepath.IsAbs(a.Path) || strings.Contains(a.String(), "mode") {
		t.Errorf("ParseAddress = %+v, %v", a, err)
	}
}

func TestListen_abstract(t *testing.T) {
	r := newRig(t)
	l, err := Listen("unix:@eventsvc-test-" + filepath.Base(r.dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(l.Address()); err == nil || !strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("the error is %v", err)
	}
	r.serving.Go(func() { _ = r.server.Serve(context.Background(), l) })
	dial(t, l.Path()).alive()
}

func TestListen_makesTheDirectory(t *testing.T) {
	dir := filepath.Join(testkit.ShortDir(t), "eventsvc")
	withUmask(0o077, func() {
		for range 2 {
			l, err := Address{Path: dir + "/s", MakeDir: true}.Listen()
			if err != nil {
				t.Fatal(err)
			}
			if got := modeOf(t, dir); got != 0o755|fs.ModeDir {
				t.Errorf("the mode of the directory is %v", got)
			}
			l.Close()
		}
	})
}

func TestListen_fileOfAnother(t *testing.T) {
	r := newRig(t)
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	other, err := Listen("unix:" + r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	r.end()
	if modeOf(t, r.path)&fs.ModeSocket == 0 {
		t.Error("it is gone")
	}
}

func TestListen_fileGoneAfterShutdown(t *testing.T) {
	r := newRig(t)
	r.end()
	if _, err := os.Lstat(r.path); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestListen_twoAtOnce(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "s")
	for range 50 {
		const racers = 4
		results := make(chan *Listener, racers)
		for range racers {
			go func() {
				l, _ := Listen("unix:" + path)
				results <- l
			}()
		}
		var winners []*Listener
		for range racers {
			if l := <-results; l != nil {
				winners = append(winners, l)
			}
		}
		if len(winners) != 1 {
			t.Fatalf("%d listen", len(winners))
		}
		winners[0].Close()
	}
}

// A user who may read the directory of a socket can lock the directory, and
// cannot keep the service from listening.
func TestListen_directoryLocked(t *testing.T) {
	dir := t.TempDir()
	held, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	l, err := Address{Path: filepath.Join(dir, "s")}.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("beside the socket there are %v", left)
	}
}

// A lock file that another user could have open, or that is held, is an error
// that names it.
func TestListen_lockFileUnusable(t *testing.T) {
	for name, obstacle := range map[string]func(t *testing.T, path string){
		"others may open it": func(t *testing.T, path string) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
		},
		"a link": func(t *testing.T, path string) {
			if err := os.Symlink("/etc/passwd", path); err != nil {
				t.Fatal(err)
			}
		},
		"a FIFO": func(t *testing.T, path string) {
			if err := unix.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"held": func(t *testing.T, path string) {
			held, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { held.Close() })
			if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			obstacle(t, filepath.Join(dir, ".s.lock"))
			l, err := Address{Path: filepath.Join(dir, "s")}.Listen()
			if err == nil {
				l.Close()
				t.Fatal("it listens")
			}
			if !strings.Contains(err.Error(), ".s.lock") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
