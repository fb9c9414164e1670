package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/service"
)

// Two runs of a program: the second goes on where the first one ended.
func Example() {
	address, stop := serve()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	// From here on nothing is missed.
	s, err := c.Subscribe(ctx, client.SubscribeOptions{Filters: []string{"type=container"}})
	if err != nil {
		log.Fatal(err)
	}
	for i, status := range []events.Status{events.Create, events.Start, events.Exited} {
		e := events.NewEvent(status)
		e.Type, e.Name, e.Image = events.Container, "web", "docker.io/library/nginx"
		if status == events.Exited {
			e.ContainerExitCode = &i
		}
		if _, err := c.WriteEvent(ctx, e); err != nil {
			log.Fatal(err)
		}
	}
	e, err := s.Next(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("first run:", e.Name, e.Status)
	cursor := s.Cursor() // to be kept in a file, say
	s.Close()

	s, err = c.Subscribe(ctx, client.SubscribeOptions{
		Filters: []string{"type=container"},
		After:   cursor,
		OnLost: func(cause error, wait time.Duration) {
			log.Printf("%v; trying again in %v", cause, wait)
		},
	})
	var expired *events.ExpiredError
	if errors.As(err, &expired) {
		log.Fatal("events were lost: the store no longer has what came after the cursor")
	}
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for e, err := range s.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("second run:", e.Name, e.Status)
		if e.Status == events.Exited {
			fmt.Println("exit code:", *e.ContainerExitCode)
			break
		}
	}

	// Output:
	// first run: web create
	// second run: web start
	// second run: web died
	// exit code: 2
}

// The exit code of a container is in its last died event.
func ExampleClient_GetLastEvent() {
	address, stop := serve()
	defer stop()
	ctx := context.Background()
	c, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, err = c.GetLastEvent(ctx, "container=web", "event=died")
	fmt.Println(errors.Is(err, events.ErrEventNotFound))

	code := 137
	e := events.NewEvent(events.Exited)
	e.Type, e.Name, e.ContainerExitCode = events.Container, "web", &code
	if _, err := c.WriteEvent(ctx, e); err != nil {
		log.Fatal(err)
	}
	e, err = c.GetLastEvent(ctx, "container=web", "event=died")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*e.ContainerExitCode)

	// Output:
	// true
	// 137
}

// serve runs a service in this process, on a log of its own.
func serve() (address string, stop func()) {
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "ev")
	must(err)
	st, err := logfile.Open(logfile.Options{Path: filepath.Join(dir, "events.log"), Own: true})
	must(err)
	f := feed.New(st)
	server, err := service.New(service.Options{Core: core.New(f, nil, nil)})
	must(err)
	must(f.Start())
	listener, err := varlinkwire.Listen("unix:" + filepath.Join(dir, "socket"))
	must(err)
	served := make(chan error)
	go func() { served <- server.Serve(context.Background(), listener) }()
	return "unix:" + filepath.Join(dir, "socket"), func() {
		must(server.Shutdown(context.Background()))
		f.Close()
		must(<-served)
		must(st.Close())
		must(os.RemoveAll(dir))
	}
}
