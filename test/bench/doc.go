// Command bench measures the built daemon from outside, over its sockets, and
// beside it what its users have without it: grep, Podman's own reader and
// writers, plain varlink/go. Both sides of a row are measured in the same run,
// on the same data, and by the same client; the table that it prints says which
// targets were met.
//
//	go run ./test/bench             all rows, medians of 5 runs: some minutes
//	go run ./test/bench -quick      shows within seconds that everything works; its figures mean nothing
//	go run ./test/bench -only write the rows of one part
//
// Rows whose peer is missing say so and do not fail: Podman needs root.
package main
