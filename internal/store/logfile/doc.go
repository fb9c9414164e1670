// Package logfile is the store in Podman's event log file: one JSON object a
// line, appended to by every Podman of the user, rewritten by those that rotate
// it.
//
// It promises that what it reads is what Podman wrote, in the order of the
// file, each event once, while any Podman from 1.9 to 5.8 writes beside it; and
// that what Append returned for is in the file. Where the continuity of a log
// cannot be proved it says so (Emission.Lost, *events.ExpiredError). The log is
// what the path names at that moment.
//
// Words. A generation is one file that has been the log: rotation makes a new
// one. Its successor continues it at a place called the join. Retired is a
// generation that has a successor.
//
// Layers. Each is a struct with its own lock, and uses those below it; Store only
// ties them. Locks are taken in this order, too.
//
//	appender   the lock of Podman's writers, writing, setting an own log aside
//	past       reading: reading, sweep (ahead, by the index), last, resolve (cursors)
//	follower   what is new, through rotation, to the sink; the one that changes the chain
//	syncer     what was written and is not durable yet
//	indexer    the indexes of the generations, in the background
//	arrivals   the files that appear at the path, opened at once
//	watcher    what the kernel reports of the path and the file
//	chain      the generations that are held, how far they were followed, cursors for that
//	generation one file: its lines, forward and back, its index
//	disk       the system calls, so that tests can let each of them fail
//
// Reading. An index of each generation grows in the background (indexer.go): a
// block for every quarter of a megabyte, and in it an entry of eight bytes for
// each event, exact although times are not in order. A query is held against
// entries first (prefilter.go), then the lines that may answer it are read, some
// of them ahead of the reader (sweep.go), and held against it as if there were no
// index. What is not indexed yet, and blocks with events that are equal to the
// byte, are read in turn (reading.go). Both ways yield the same events with the
// same cursors in the same order.
package logfile
