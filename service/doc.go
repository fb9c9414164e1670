// Package service is the Varlink interface of eventsvc, io.podman.events, for
// varlinkctl and every other Varlink client. What it promises is said in
// io.podman.events.varlink at the root of this repository.
//
// It is a decoder, which makes what core understands of the parameters of a call,
// and an encoder. The transport is varlinkwire, to which New adds the interface;
// others, as io.podman, are served on the same sockets.
//
// It must not know where events are kept, how they are found and who may do what:
// that is core's. Nor does it know the D-Bus interface.
package service
