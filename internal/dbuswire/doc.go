// Package dbuswire keeps a service on a D-Bus bus that hostile peers cannot break: it
// owns a name, passes the calls of peers to methods, and sends signals no faster than
// their receiver reads. It knows nothing about the service.
//
// # What it promises
//
// No message of a peer ends the service, leaks a descriptor, or makes it use memory or
// start work without bound. Calls of one sender are handled in order, one at a time;
// arguments have exactly the types of their signature; every call has a context that
// ends when its sender leaves the bus. The caller's identity comes from the bus, never
// from the message.
//
// A subscriber that does not read is detected and waited for, so that the bus has no
// reason to drop what it was sent (Flow). If the connection to the bus is lost, the
// service reconnects and owns its name again (Service.Run). When the service stops,
// earlier calls get their reply.
//
// # How it works
//
// godbus makes the connection and talks to the bus itself. It never sees the calls of
// peers: godbus 5.2.4 panics on an array of descriptors, starts a goroutine for each
// call and keeps the descriptors of rejected calls open
// (TestConnection_survivesHostileDescriptors shows the last). The transport below it
// closes every descriptor that arrives, and passes calls to a dispatcher of this
// package, which decodes them by hand. What is sent is encoded by hand, too: a signal
// can be encoded once for all its receivers.
//
// # Use
//
// Fill in Options with a bus, a name and a function that finds the object at a path;
// call New, then Run. An Object has interfaces, an Interface has methods and
// properties; Introspectable, Peer and Properties are implemented here.
package dbuswire
