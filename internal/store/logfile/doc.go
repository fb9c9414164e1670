// Package logfile is the store in Podman's event log file: one JSON object a
// line, appended to by every Podman of the user, rewritten by those that rotate
// it.
//
// It promises that what it reads is what Podman wrote, in the order of the
// file, each event once, while any Podman from 1.9 to 5.8 writes beside it; and
// that what Append returned for is in the file. Where the continuity of a log
// cannot be proved it says so (Emission.Lost, *events.ExpiredError).
//
// Words. A generation is one file that has been the log: rotation makes a new
// one. Its successor continues it at a place called the join. Retired is a
// generation that has a successor. The chain is the generations that still lie
// in the store, oldest first: one for Podman's log, more for a log of
// eventsvc's own, which is set aside by renaming.
//
// Reading. An index of each generation grows in the background (indexer.go): a
// block for every quarter of a megabyte, and in it an entry of eight bytes for
// each event, exact although times are not in order. A query is held against
// entries first (choice.go), then the lines that may answer it are read, some
// of them ahead of who asks (sweep.go), and held against it as if there were no
// index. What is not indexed yet, and blocks with events that are equal to the
// byte, are read in turn (reading.go). Both ways yield the same events with the
// same cursors in the same order.
package logfile
