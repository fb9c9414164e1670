package service

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// presence is an Activity that knows whether a client is there.
type presence struct{ n atomic.Int64 }

func (p *presence) Begin()       { p.n.Add(1) }
func (p *presence) End()         { p.n.Add(-1) }
func (p *presence) isBusy() bool { return p.n.Load() > 0 }

// listenAbstract serves on a socket without a file, and returns its name.
func (r *rig) listenAbstract() string {
	r.t.Helper()
	l, err := varlinkwire.Listen("unix:@" + r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(cancel)
	go func() {
		if err := r.server.Serve(ctx, l); err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	}()
	r.server.AwaitListeners(ctx, 2)
	return l.Path()
}

func TestPause_noClientIsTurnedAway(t *testing.T) {
	for _, abstract := range []bool{false, true} {
		there := new(presence)
		r := newRig(t, func(_ *rig, o *Options) { o.Activity = there })
		r.server.AwaitListeners(t.Context(), 1)
		path := r.path
		if abstract {
			path = r.listenAbstract()
		}
		var stop atomic.Bool
		var clients sync.WaitGroup
		var served atomic.Int64
		r.server.AwaitListeners(t.Context(), 1)
		r.dial().alive() // who stays
		for range 4 {
			clients.Go(func() {
				for !stop.Load() {
					conn, err := net.Dial("unix", path)
					if err != nil {
						t.Errorf("a service that goes on is not found: %v", err)
						return
					}
					c := newClient(t, conn.(*net.UnixConn))
					c.alive()
					conn.Close()
					served.Add(1)
				}
			})
		}
		for range 300 {
			r.server.Pause()
			if !there.isBusy() {
				t.Error("a client is there, and it is idle")
			}
			r.server.Resume()
		}
		n := served.Load()
		eventually(t, "clients are still served", func() bool { return served.Load() >= n+4 })
		stop.Store(true)
		clients.Wait()
	}
}

func TestRetire_clientAtThatMoment(t *testing.T) {
	for _, abstract := range []bool{false, true} {
		there := new(presence)
		r := newRig(t, func(_ *rig, o *Options) { o.Activity = there })
		r.server.AwaitListeners(t.Context(), 1)
		path := r.path
		if abstract {
			path = r.listenAbstract()
		}
		r.server.Pause()
		conn, err := net.Dial("unix", path) // between the two
		if err != nil {
			t.Fatal(err)
		}
		if r.server.Retire() {
			t.Error("it would end, and a client waits")
		}
		r.server.Resume()
		newClient(t, conn.(*net.UnixConn)).alive()
		conn.Close()
		eventually(t, "idle service", func() bool { return !there.isBusy() })

		r.server.Pause()
		if !r.server.Retire() {
			t.Error("no client came, and it does not end")
		}
		if _, err := net.Dial("unix", path); err == nil {
			t.Error("a client is let in by a service that ends")
		}
		if !abstract {
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file of the socket: %v", err)
			}
		}
		if files, _ := filepath.Glob(path + ".*"); len(files) > 0 {
			t.Errorf("left over: %v", files)
		}
		r.server.Resume() // something else may have come up
		eventually(t, "the socket is there again", func() bool {
			conn, err = net.Dial("unix", path)
			return err == nil
		})
		newClient(t, conn.(*net.UnixConn)).alive()
		conn.Close()
	}
}
