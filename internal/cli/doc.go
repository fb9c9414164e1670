// Package cli is the command line of eventsvc: one file for each command, each of them
// thin. 'eventsvc serve' fills in the configuration of package daemon; most other
// commands are clients.
//
// The rules of its user interface:
//
//   - Results go to stdout, everything else to stderr. A line on stderr begins with
//     "eventsvc: ", except in a service's log (log/slog), which has a level and,
//     unless the journal adds one, a time.
//   - An error says what failed, why, and what to do; the exit code says which kind
//     it is (exit.go). No usage text follows an error.
//   - Commands that print events feel like podman events: the same flags, the same
//     lines, the same place to start.
//   - Output is never coloured, overwritten or interactive unless stdout is a
//     terminal, and NO_COLOR is honoured there. Control characters from labels and
//     names do not reach a terminal.
//   - Output is flushed whenever there is no more to print, and if its reader
//     disconnects, as head does, the command ends silently.
//   - Flags belong to their command; there is no global state.
package cli
