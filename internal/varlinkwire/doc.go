// Package varlinkwire serves Varlink interfaces on unix sockets: sockets, also
// those of systemd, connections, frames, and what holds for every call whatever
// its interface. It knows nothing of events.
//
//	i := varlinkwire.Interface{
//		Dispatcher:  orgexampleping.VarlinkNew(handler), // made by varlink/go's generator
//		Unavailable: func(reason string) (string, any) { … },
//	}
//	s, err := varlinkwire.New(varlinkwire.Options{Vendor: …, Product: …, Interfaces: []varlinkwire.Interface{i}})
//	l, err := varlinkwire.Listen("unix:/run/example/org.example.ping,mode=0666")
//	err = s.Serve(ctx, l) // returns when the context is done
//	err = s.Shutdown(ctx)
//
// # Calls
//
// A Server reads the calls of a connection one after the other. varlink/go
// dispatches each to the generated bindings. Before and around that: frames are
// bounded, the peer is known from the kernel, the parameters are checked against
// the description of the interface, a panic ends one call (Options.Guard), a
// client that is gone ends its call at once, one that stalls is dropped after a
// while, and one that only closed its writing side keeps its stream. A client
// that speaks HTTP gets an answer in HTTP.
//
// A handler finds the call that it works on, with the peer and the means to write
// frames that are ready, by CallOf.
//
// # Bounds
//
// Connections are bounded in all and for each user, and so is the memory of
// unfinished requests; package limits has the figures. A connection costs one
// goroutine. A call that may last is watched by one shared goroutine, and no
// goroutine wakes up while nothing happens.
package varlinkwire
