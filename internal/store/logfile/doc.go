// Package logfile is the store for Podman's event log file: one JSON object a line,
// appended to by each Podman process of the user, and rewritten by those that rotate
// it.
//
// It promises that it returns what Podman wrote, in the order of the file, each event
// once, while any Podman from 1.9 to 5.8 writes to it; and that the events for which
// Append returned success are in the file. Where the continuity of a log cannot be
// proved, it says so (Emission.Lost, *events.ExpiredError). The log is whatever file
// the path names at the moment.
//
// Words. A generation is one file that has been the log: each rotation makes a new one.
// Its successor continues it at an offset called the join. A generation that has a
// successor is retired.
//
// Layers. Each is a struct with its own lock, and uses those below it; Store only
// connects them. Locks are taken in this order, too.
//
//	appender   Podman's lock, writing, setting aside eventsvc's own log
//	past       reading: reading, sweep (read-ahead by the index), last, resolve (cursors)
//	follower   passes what is new, through rotation, to the sink; alone changes the chain
//	syncer     what was written and is not durable yet
//	indexer    the indexes of the generations, in the background
//	arrivals   the files that appear at the path, opened at once
//	watcher    what the kernel reports about the path and the file
//	chain      the generations held, how far they were followed, and cursors for that
//	generation one file: its lines, forwards and backwards, and its index
//	disk       the system calls, so that tests can make each of them fail
//
// Reading. An index of each generation grows in the background (indexer.go). It has a
// block for every quarter of a megabyte, and in each block an eight-byte entry for each
// event; it is exact even though times are not in order. A query is first matched
// against entries (prefilter.go). Then the lines that may match are read, some of them
// ahead of the reader (sweep.go), and matched as if there were no index. What is not
// indexed yet, and blocks that contain events equal to the byte, are read in sequence
// (reading.go). Both ways return the same events with the same cursors in the same
// order.
package logfile
