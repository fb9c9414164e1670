// Package client lets a Go program read, follow and write the container events
// of a host: it calls eventsvc over Varlink (io.podman.events).
//
// # Connecting
//
// New takes the address of the service, a unix socket; if it is empty, the default is
// $EVENTSVC_ADDRESS, or eventsvc/io.podman.events below /run for root and below
// $XDG_RUNTIME_DIR for others (see DefaultAddress). "ssh-exec:HOST" reaches the service
// of another host over ssh. A Client connects when it is used, and may be shared by
// goroutines.
//
// # Following
//
// Subscribe follows events as they arrive, after past ones if those are asked for:
//
//	c, err := client.New("")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	s, err := c.Subscribe(ctx, client.SubscribeOptions{Filters: []string{"type=container", "event=died"}})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	for e, err := range s.Events(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(e.Name, *e.ContainerExitCode)
//	}
//
// No event is missed once Subscribe has returned: a program may then start what it
// wants to watch. The service's promises hold for a Subscription even across restarts
// of the service: it delivers every selected event, once, in the order of the store.
// When the connection breaks, or the service stops, Next reconnects, waiting longer
// each time up to five seconds, and continues after the last event that it returned.
// OnLost and OnResumed report this. Only its context ends the attempts.
//
// To continue where an earlier run of the program ended, store the Cursor of the last
// event, or of the Subscription, when the event has been handled, and give it as After.
// If the store no longer holds that position, the error is an *events.ExpiredError,
// never a silent gap; OnExpired may decide to continue from the oldest event.
//
// # Reading the past
//
// History iterates over past events, GetEvents returns a page of them, and GetLastEvent
// the newest that matches, for example to get the exit code of a container:
// GetLastEvent(ctx, "container=web", "event=died").
//
// # Writing
//
// WriteEvent writes an event into the host's store and returns once it is stored. It
// needs the right to write.
//
// # Filters and times
//
// Filters are strings in Podman's grammar, KEY=VALUE or KEY!=VALUE: package
// events describes them with ParseFilters, and times with ParseTime.
//
// # Errors
//
// Errors are distinguished by type, with errors.As and errors.Is: of package
// events *FilterError, *TimeError, *CursorError, *ExpiredError, *FieldError,
// *UnavailableError (the service cannot read or write its store) and
// ErrEventNotFound; of this package *ConnectionError (the service cannot be
// reached), ErrPermissionDenied (which is a fs.ErrPermission), ErrShuttingDown
// and ErrClosed. When a context ends, its error is returned as it is.
//
// # Limits
//
// A reply may have up to 64 MiB. A Subscription holds what one read of its
// socket brings, a History one page; neither reads ahead of its user beyond
// that, and a slow user slows no other client down.
package client
