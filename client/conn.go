package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is one connection to the service. Only one goroutine uses it at a time, except
// for close.
type conn struct {
	net.Conn
	in      frames
	address string
}

// request is one message to the service.
type request struct {
	Method     string `json:"method"`
	Parameters any    `json:"parameters,omitempty"`
	More       bool   `json:"more,omitempty"`
}

func newConn(nc net.Conn, address string) *conn {
	return &conn{Conn: nc, in: frames{r: nc}, address: address}
}

// past is a deadline in the past: it interrupts whatever waits.
var past = time.Unix(1, 0)

// interruptible lets the end of the context interrupt f, through a deadline, and then
// returns the context's error.
func interruptible(ctx context.Context, set func(time.Time) error, patience time.Duration, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if patience > 0 {
		_ = set(time.Now().Add(patience)) // if this fails, f fails, too
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = set(past)
		close(interrupted)
	})
	err := f()
	if !stop() {
		<-interrupted
		_ = set(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ctx.Err()
		}
		return err
	}
	if patience > 0 {
		_ = set(time.Time{})
	}
	return err
}

// send writes a call.
func (c *conn) send(ctx context.Context, method string, parameters any, more bool) error {
	message, err := json.Marshal(request{Method: interfaceName + "." + method, Parameters: parameters, More: more})
	if err != nil {
		return notUnderstood(err)
	}
	message = append(message, 0)
	err = interruptible(ctx, c.SetWriteDeadline, 0, func() error {
		_, err := c.Write(message)
		return err
	})
	return c.lost(ctx, err)
}

// receive returns the next frame, valid until the next call. If the context ends,
// nothing is lost: the next call continues. If no byte arrives for as long as patience,
// the connection counts as lost; 0 is for ever.
func (c *conn) receive(ctx context.Context, patience time.Duration) ([]byte, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if frame, ok := c.in.take(); ok {
			return frame, nil
		}
		if err := c.lost(ctx, interruptible(ctx, c.SetReadDeadline, patience, c.in.fill)); err != nil {
			return nil, err
		}
	}
}

// lost turns an error of package net into a *ConnectionError.
func (c *conn) lost(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ctx.Err()), errors.Is(err, errFrameSize):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errClosedByPeer
	}
	return &ConnectionError{Address: c.address, Lost: true, Err: err}
}

// errClosedByPeer is io.EOF in words for people.
var errClosedByPeer = errors.New("the service closed it")

// call makes a call that has one reply. usable reports whether another call can
// be made on the connection.
func (c *conn) call(ctx context.Context, method string, parameters any, into payload) (usable bool, err error) {
	if err := c.send(ctx, method, parameters, false); err != nil {
		return false, err
	}
	frame, err := c.receive(ctx, 0)
	if err != nil {
		return false, err
	}
	_, err = decode(frame, into)
	return true, err
}

// isIdle reports whether the connection is open with nothing to read, so that a call
// can be made on it.
func (c *conn) isIdle() bool {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok || !c.in.empty() {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	idle := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		idle = err == unix.EAGAIN
		return true
	})
	return err == nil && idle
}
