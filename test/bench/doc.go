// Command bench measures the built daemon from outside, over its sockets, and compares
// it with what its users have without it: grep, Podman's own reader and writers, plain
// varlink/go. Both sides of a row are measured in the same run, on the same data, and
// by the same client. The table that it prints shows which targets were met.
//
//	go run ./test/bench             all rows, medians of 5 runs: about fifteen minutes
//	go run ./test/bench -quick      takes seconds and shows that everything works; its figures mean nothing
//	go run ./test/bench -only write the rows of one part
//
// If the peer of a row is missing, the row says so, and that is no error. Podman needs
// root.
package main
