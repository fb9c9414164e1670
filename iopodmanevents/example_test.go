package iopodmanevents_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/varlink/go/varlink"

	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// follow prints the exit codes of containers, from the cursor on, or from now on if
// there is none. It returns the cursor to continue from. docs/varlink.md shows it.
func follow(ctx context.Context, address string, cursor *string) (*string, error) {
	conn, err := varlink.NewConnection(ctx, address)
	if err != nil {
		return cursor, err
	}
	defer conn.Close()

	filters := []string{"type=container", "event=died"}
	receive, err := iopodmanevents.Subscribe().Send(ctx, conn, varlink.More, &filters, nil, nil, cursor, nil, nil, nil)
	if err != nil {
		return cursor, err
	}
	for {
		_, _, event, next, flags, err := receive(ctx)
		var expired *iopodmanevents.CursorExpired
		switch {
		case errors.As(err, &expired):
			fmt.Println("events were lost")
			return &expired.Oldest, err
		case err != nil:
			return cursor, err
		}
		if event != nil && event.Name != nil && event.ExitCode != nil {
			fmt.Println(*event.Name, "exited with", *event.ExitCode)
		}
		cursor = &next
		if flags&varlink.Continues == 0 {
			return cursor, nil
		}
	}
}

// played is a service that plays one subscription: the place where it begins,
// an event, and the end.
type played struct {
	*iopodmanevents.VarlinkInterface
}

func (played) Subscribe(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string, _, _, after *string, _ *bool, _ *int64, _ *bool) error {
	if !c.WantsMore() || filters == nil || len(*filters) != 2 {
		return c.ReplyError(ctx, "io.podman.events.InvalidFilter", nil)
	}
	if after != nil && *after == "old" {
		return c.ReplyCursorExpired(ctx, "oldest")
	}
	yes, name, code := true, "web", int64(0)
	c.Continues = true
	if err := c.ReplySubscribe(ctx, &yes, nil, nil, "first"); err != nil {
		return err
	}
	event := iopodmanevents.Event{Type: "container", Status: "died", Name: &name, ExitCode: &code}
	if err := c.ReplySubscribe(ctx, nil, nil, &event, "second"); err != nil {
		return err
	}
	c.Continues = false
	return c.ReplySubscribe(ctx, nil, nil, nil, "third")
}

func Example() {
	dir, err := os.MkdirTemp("", "eventsvc")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	service, err := varlink.NewService("", "", "", "")
	if err != nil {
		panic(err)
	}
	if err := service.RegisterInterface(iopodmanevents.VarlinkNew(played{iopodmanevents.VarlinkNew(nil)})); err != nil {
		panic(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				done <- err
				return
			}
			service.ServeConn(ctx, conn)
		}
	}()
	address := "unix:" + listener.Addr().String()

	cursor, err := follow(ctx, address, nil)
	fmt.Println(*cursor, err)
	old := "old"
	cursor, err = follow(ctx, address, &old)
	fmt.Println(*cursor, err)

	listener.Close()
	<-done
	// Output:
	// web exited with 0
	// third <nil>
	// events were lost
	// oldest io.podman.events.CursorExpired(Oldest: oldest)
}
