// Package varlinkwire serves Varlink interfaces on unix sockets: it handles sockets,
// including systemd's, connections and frames, and whatever applies to every call
// regardless of its interface. It knows nothing of events.
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
// A Server reads the calls of a connection one at a time. varlink/go dispatches each to
// the generated bindings. The Server adds this: frames are bounded, the kernel
// identifies the peer, parameters are checked against the description of the interface,
// and a panic ends only one call (Options.Guard). When a client disconnects, its call
// ends at once; a client that stalls is dropped after a while; one that only closes its
// writing side keeps its stream. A client that speaks HTTP gets a reply in HTTP.
//
// A handler gets its call by CallOf, with the peer and methods to write complete
// frames.
//
// # Bounds
//
// Connections are bounded in all and for each user, and so is the memory of unfinished
// requests; package limits has the figures. A connection costs one goroutine. One
// shared goroutine watches all calls that may last, and no goroutine wakes up while
// nothing happens.
package varlinkwire
