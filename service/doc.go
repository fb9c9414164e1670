// Package service is the Varlink interface of eventsvc, io.podman.events, for
// varlinkctl and every other Varlink client. io.podman.events.varlink at the root of
// this repository says what it promises.
//
// It is a decoder, which turns the parameters of a call into what core takes, and an
// encoder. The transport is varlinkwire, to which New adds the interface; others, such
// as io.podman, are served on the same sockets.
//
// It must not know where events are stored, how they are found and who may do what:
// core does. Nor does it know the D-Bus interface.
package service
