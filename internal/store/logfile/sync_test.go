package logfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/rotated"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Where a reply promises it, the event was synced before.
func TestSync_beforeReply(t *testing.T) {
	for _, mode := range []Sync{SyncNever, SyncInterval, SyncAlways} {
		t.Run(mode.String(), func(t *testing.T) {
			d := new(faulty)
			w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{disk: d, Sync: mode})
			for n := range 5 {
				if err := w.write(n); err != nil {
					t.Fatal(err)
				}
				if got := d.count("sync"); mode == SyncAlways && got != n+1 || mode == SyncNever && got != 0 {
					t.Errorf("%d syncs for %d events", got, n+1)
				}
			}
			if got, want := d.count("syncNames"), int(mode)/int(SyncAlways); mode != SyncInterval && got != want {
				t.Errorf("the directory was synced %d times, want %d", got, want)
			}
			if mode == SyncInterval {
				d.awaitCount(t, "sync", 1)
				d.awaitCount(t, "syncNames", 1)
				if err := w.write(5); err != nil {
					t.Fatal(err)
				}
				before := d.count("sync")
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if got := d.count("sync"); got != before+1 {
					t.Errorf("closing synced %d times", got-before)
				}
			}
		})
	}
}

// Events that come together share one sync.
func TestSync_shared(t *testing.T) {
	const writers = 64
	d := new(faulty)
	w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{disk: d, Sync: SyncAlways})
	release := holdLock(t, w.Path()) // so that they come together
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			if err := w.write(n); err != nil {
				t.Error(err)
			}
		})
	}
	for w.waiting() < writers {
		time.Sleep(time.Millisecond)
	}
	release()
	all.Wait()
	if got := d.count("sync"); got != 1 || d.count("write") != 1 {
		t.Errorf("%d events took %d writes and %d syncs", writers, d.count("write"), got)
	}
	w.names(writers)
}

func (w *watched) waiting() int {
	w.appender.mu.Lock()
	defer w.appender.mu.Unlock()
	return len(w.appender.waiting)
}

// Setting aside and Podman's rotation are synced.
func TestSync_rotation(t *testing.T) {
	d := new(faulty)
	w := open(t, filepath.Join(t.TempDir(), "own.log"), Options{disk: d, Sync: SyncInterval, MaxSize: 4 << 10})
	for n := 0; d.count("rename") < rotated.Kept; n++ {
		if err := w.write(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil { // or within SyncPeriod
		t.Fatal(err)
	}
	if files, names := d.count("sync"), d.count("syncNames"); files < 2 || names < 1 {
		t.Errorf("a file was set aside, and there were %d syncs of files, %d of the directory", files, names)
	}

	d = new(faulty)
	w = open(t, filepath.Join(t.TempDir(), "podmans.log"), Options{disk: d, Sync: SyncAlways})
	if err := w.write(0); err != nil {
		t.Fatal(err)
	}
	files, names := d.count("sync"), d.count("syncNames")
	rotate(t, w.Path(), 1)
	w.names(2)
	d.awaitCount(t, "sync", files+1)
	d.awaitCount(t, "syncNames", names+1)
}

// awaitCount waits until a call was made so often.
func (d *faulty) awaitCount(t *testing.T, call string, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); d.count(call) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d calls of %s, want %d", d.count(call), call, n)
		}
	}
}

// Nothing is acknowledged in a file whose name the disk does not confirm.
func TestSync_nameNotConfirmed(t *testing.T) {
	for _, own := range []bool{true, false} {
		d := new(faulty)
		o := Options{disk: d, Sync: SyncAlways}
		if own {
			o.MaxSize = 4 << 10
		}
		w := open(t, filepath.Join(t.TempDir(), "events.log"), o)
		if err := w.write(0); err != nil {
			t.Fatal(err)
		}
		d.set(func(call string, _ int) (int, error) {
			if call == "syncNames" {
				return 0, unix.EIO
			}
			return 0, nil
		})
		n := 1
		if own {
			for ; d.count("rename") == 0 && n < 100; n++ { // in the file that has its name
				if err := w.write(n); err != nil && d.count("rename") == 0 {
					t.Fatal(err)
				}
			}
		} else {
			rotate(t, w.Path(), 1)
			w.names(2)
		}
		if err := w.write(n + 1); err == nil || !strings.Contains(err.Error(), "power failure") {
			t.Errorf("own %v: the event is acknowledged: %v", own, err)
		}
		d.heal()
		if err := w.write(n + 2); err != nil {
			t.Error(err)
		}
		if fault := w.Status().Fault; fault != "" {
			t.Errorf("the fault stays: %s", fault)
		}
	}
}

// A disk that is slow after a rotation holds up neither readers nor Podman.
func TestSync_slowDiskAfterRotation(t *testing.T) {
	for _, own := range []bool{true, false} {
		d := &slow{begun: make(chan struct{}), end: make(chan struct{})}
		o := Options{disk: d, Sync: SyncInterval}
		if own {
			o.MaxSize = 4 << 10
		}
		w := open(t, filepath.Join(t.TempDir(), "events.log"), o)
		for n := range 30 { // three times what makes it set its file aside
			if err := w.write(n); err != nil {
				t.Fatal(err)
			}
			if !own && n%10 == 9 {
				rotate(t, w.Path(), 100+n)
			}
		}
		<-d.begun
		if isLocked(t, w.Path()) {
			t.Error("Podmans wait for our disk")
		}
		if err := w.write(30); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); !w.has("v30"); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("a follower waits for the disk")
			}
		}
		if names, _, err := w.history(""); err != nil || len(names) == 0 {
			t.Errorf("the past has %v, %v", names, err)
		}
		close(d.end)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// has reports whether an event was delivered.
func (w *watched) has(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.got {
		if w.got[i].Event().Name == name {
			return true
		}
	}
	return false
}

func TestSync_notConfirmed(t *testing.T) {
	d := new(faulty)
	w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{disk: d, Sync: SyncAlways})
	d.set(func(call string, _ int) (int, error) {
		if call == "sync" {
			return 0, unix.EIO
		}
		return 0, nil
	})
	err := w.write(0)
	if err == nil || !strings.Contains(err.Error(), "power failure") || !strings.Contains(err.Error(), "log of the kernel") {
		t.Errorf("the write gives %v", err)
	}
	if fault := w.Status().Fault; !strings.Contains(fault, "power failure") {
		t.Errorf("the status says %q", fault)
	}
	d.heal()
	if err := w.write(1); err != nil {
		t.Fatal(err)
	}
	if fault := w.Status().Fault; fault != "" {
		t.Errorf("the fault stays: %q", fault)
	}
}

func TestSync_slowDisk(t *testing.T) {
	d := &slow{begun: make(chan struct{}), end: make(chan struct{})}
	w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{disk: d, Sync: SyncAlways})
	stored := make(chan error, 1)
	go func() { stored <- w.write(0) }()
	<-d.begun
	// The disk syncs. Followers have the event, and Podman can write.
	w.names(1)
	if isLocked(t, w.Path()) {
		t.Error("Podmans wait for our disk")
	}
	appendTo(t, w.Path(), lineOf(1))
	equal(t, "followed", w.names(2), namesOf(0, 2))
	if names, _, err := w.history(""); err != nil || len(names) != 2 {
		t.Errorf("the past has %v, %v", names, err)
	}
	select {
	case err := <-stored:
		t.Errorf("acknowledged before it was synced: %v", err)
	default:
	}
	close(d.end)
	if err := <-stored; err != nil {
		t.Error(err)
	}
}

// slow is a disk that syncs until the test lets it end.
type slow struct {
	kernel
	once       sync.Once
	begun, end chan struct{}
}

func (d *slow) sync(f *os.File) error {
	d.once.Do(func() { close(d.begun) })
	<-d.end
	return d.kernel.sync(f)
}

func (d *slow) syncNames(dir string) error {
	d.once.Do(func() { close(d.begun) })
	<-d.end
	return d.kernel.syncNames(dir)
}

// An event is not written when its writer stops waiting for the lock.
func TestAppend_writerStopsWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{LockTimeout: time.Hour})
	if err := w.write(0); err != nil {
		t.Fatal(err)
	}
	release := holdLock(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	given, kept := make(chan error, 3), make(chan error, 1)
	for n := range 3 {
		go func() {
			_, err := store.Cursors(w.Append(ctx, []events.Event{event(100 + n)}))
			given <- err
		}()
	}
	for w.waiting() < 3 {
		time.Sleep(time.Millisecond)
	}
	go func() { kept <- w.write(1) }()
	for w.waiting() < 4 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	for range 3 {
		if err := <-given; !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "cannot write event") {
			t.Errorf("the writer that gave up gets %v", err)
		}
	}
	release()
	if err := <-kept; err != nil {
		t.Error(err)
	}
	equal(t, "the log", w.names(2), namesOf(0, 2))
	if isLocked(t, path) {
		t.Error("the lock is held though nothing writes")
	}
	// No caller is left: the wait is given up, and the lock is not kept when it comes.
	release = holdLock(t, path)
	ctx, cancel = context.WithCancel(context.Background())
	go func() {
		_, err := store.Cursors(w.Append(ctx, []events.Event{event(200)}))
		given <- err
	}()
	for w.waiting() < 1 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
	if err := w.write(2); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); isLocked(t, path); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the lock is held though nothing writes")
		}
	}
	equal(t, "the log", w.names(3), namesOf(0, 3))
}

// Closing does not wait for a lock that another holds.
func TestClose_lockHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	w := open(t, path, Options{LockTimeout: time.Hour})
	release := holdLock(t, path)
	defer release()
	given := make(chan error, 1)
	go func() { given <- w.write(0) }()
	for w.waiting() < 1 {
		time.Sleep(time.Millisecond)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := <-given; err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("the writer gets %v", err)
	}
}

// BenchmarkDisk is what it costs that the calls of a store go through disk.
func BenchmarkDisk(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	f, err := kernel{}.open(path, unix.O_RDWR|unix.O_CREAT|unix.O_APPEND, fileMode)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	line := []byte(lineOf(0))
	b.Run("write directly", func(b *testing.B) {
		for b.Loop() {
			_, _ = f.Write(line)
		}
	})
	b.Run("write by disk", func(b *testing.B) {
		d := Options{disk: kernel{}}.disk
		for b.Loop() {
			_, _ = d.write(f, line)
		}
	})
	b.Run("read directly", func(b *testing.B) {
		for b.Loop() {
			_, _ = f.ReadAt(line, 0)
		}
	})
	b.Run("read by disk", func(b *testing.B) {
		d := Options{disk: kernel{}}.disk
		for b.Loop() {
			_, _ = d.readAt(f, line, 0)
		}
	})
}

// gated is a disk on which each sync waits until the test lets it finish.
type gated struct {
	kernel
	begun chan struct{}
	end   chan struct{}
}

func (d *gated) sync(*os.File) error {
	d.begun <- struct{}{}
	<-d.end
	return nil
}

func TestAppend_manyWriters(t *testing.T) {
	d := &gated{begun: make(chan struct{}), end: make(chan struct{})}
	w := open(t, filepath.Join(t.TempDir(), "events.log"), Options{disk: d, Sync: SyncAlways})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- w.write(0) }()
	<-d.begun
	go func() { second <- w.write(1) }()
	for w.waiting() < 1 {
		time.Sleep(time.Millisecond)
	}
	d.end <- struct{}{}
	<-d.begun // the second is being stored, and takes its time
	select {
	case err := <-first:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the first writer waits for the second's event")
	}
	d.end <- struct{}{}
	if err := <-second; err != nil {
		t.Error(err)
	}
}
