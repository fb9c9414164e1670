package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// How many writers and calls there are at once.
const (
	alone     = 1
	together  = 16 // writers at a time
	pipelined = 64 // calls that one client has sent without waiting
)

// writes measures writing events, each of which is acknowledged when it is in the log.
func writes(b *bench) error {
	local, err := medianOf(b, func() (float64, error) { return b.localWriters(alone) })
	if err != nil {
		return err
	}
	e, err := b.startEcho()
	if err != nil {
		return err
	}
	defer e.stop()
	d, err := b.startDaemon("")
	if err != nil {
		return err
	}
	defer d.stop()
	rates := func(writers, underWay int) (ours, echo float64, err error) {
		rate := func(socket string) func() (float64, error) {
			return func() (float64, error) { return b.socketWriters(socket, writers, underWay, writeCall()) }
		}
		return mediansByTurns(b.size.rounds, rate(d.socket), rate(e.socket))
	}
	single, echo, err := rates(alone, 1)
	if err != nil {
		return err
	}
	many, echoes, err := rates(together, 1)
	if err != nil {
		return err
	}
	pipe, ready, err := rates(alone, pipelined)
	if err != nil {
		return err
	}
	info, err := medianOf(b, func() (float64, error) {
		return b.socketWriters(d.socket, alone, 1, []byte(`{"method":"org.varlink.service.GetInfo","parameters":{}}`+"\x00"))
	})
	if err != nil {
		return err
	}
	t := &b.table
	beside := func(work string, rate float64, peer string, by float64) {
		t.add(row{work: work, ours: perSecond(rate), peer: peer + ": " + perSecond(by), ratio: times(rate / by)})
	}
	t.compare("WriteEvent, 1 client", perSecond(single), "echo on a socket: "+perSecond(echo), single/echo, 0.4)
	beside("the same", single, "open, lock, write, close by a local writer", local)
	beside("the same", single, "its own GetInfo", info)
	beside("WriteEvent, 16 clients", many, "echo on a socket, 16 clients", echoes)
	beside("WriteEvent, 1 client with 64 calls under way", pipe, "echo on a socket, 64 under way", ready)
	beside("the same", pipe, "its own, one call at a time", single)
	return d.check(b)
}

// event is the event that is written: a container that has exited.
var event = params{
	"type": "container", "status": "died", "exitCode": 0,
	"id":    "b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596",
	"image": "registry.example.org/shop3/web:1.17", "name": "shop3_web_4711",
	"attributes": map[string]string{"com.docker.compose.project": "shop3", "com.docker.compose.service": "web"},
}

// writtenLine is the line that it becomes, except for its time.
const writtenLine = `{"ContainerExitCode":0,"ID":"b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596",` +
	`"Image":"registry.example.org/shop3/web:1.17","Name":"shop3_web_4711","Status":"died","Time":"%s","Type":"container",` +
	`"Attributes":{"com.docker.compose.project":"shop3","com.docker.compose.service":"web"}}`

func writeCall() []byte { return call("WriteEvent", params{"event": event}, false) }

// check checks that all acknowledged events are in the log.
func (d *daemon) check(b *bench) error {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err
	}
	perRound := b.size.writes/together*together + 2*b.size.writes
	if lines := bytes.Count(text, []byte{'\n'}); lines != b.size.rounds*perRound {
		return fmt.Errorf("%d of %d events that were acknowledged are in the log", lines, b.size.rounds*perRound)
	}
	return nil
}

// localWriters returns how many events a second that number of processes write to a
// log directly.
func (b *bench) localWriters(writers int) (float64, error) {
	dir, err := os.MkdirTemp(b.dir, "w")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	return b.race(writers, "write-local", filepath.Join(dir, "events.log"), strconv.Itoa(b.size.writes/writers))
}

// socketWriters returns how many calls a second that number of processes make, each of
// which has that many calls under way.
func (b *bench) socketWriters(socket string, writers, underWay int, frame []byte) (float64, error) {
	return b.race(writers, "write-socket", socket, strconv.Itoa(b.size.writes/writers), strconv.Itoa(underWay), string(frame[:len(frame)-1]))
}

// race starts processes, lets them begin at the same time, and returns how many events
// a second they handled until the last of them had finished.
func (b *bench) race(writers int, child string, args ...string) (float64, error) {
	var cmds []*exec.Cmd
	var start []io.Closer
	var ended error
	defer func() {
		for _, cmd := range cmds {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	for range writers {
		cmd, err := thisProgram(child, args...)
		if err != nil {
			return 0, err
		}
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return 0, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return 0, err
		}
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		cmds, start = append(cmds, cmd), append(start, in)
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // until it is ready
			return 0, fmt.Errorf("a writer did not start: %w", err)
		}
	}
	began := time.Now()
	for _, s := range start {
		_ = s.Close()
	}
	for _, cmd := range cmds {
		ended = errors.Join(ended, cmd.Wait())
	}
	took := time.Since(began)
	cmds = nil
	return float64(b.size.writes/writers*writers) / took.Seconds(), ended
}

// echo is a service that only sends, for each call, a reply as long as that to
// WriteEvent.
type echo struct {
	process
	socket string
}

func (b *bench) startEcho() (*echo, error) {
	dir, err := os.MkdirTemp(b.dir, "e")
	if err != nil {
		return nil, err
	}
	e := &echo{socket: filepath.Join(dir, "s")}
	cmd, err := thisProgram("echo", e.socket)
	if err != nil {
		return nil, err
	}
	return e, e.start(cmd, e.socket)
}
