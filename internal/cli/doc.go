// Package cli is the command line of eventsvc: one file for each command, each
// thin. 'eventsvc serve' fills in the configuration of package daemon, and most
// others are clients.
//
// The rules of its user interface:
//
//   - What was asked for goes to stdout, everything else to stderr. A line on
//     stderr begins with "eventsvc: ", but for the log that a service keeps
//     (log/slog), which has a level and, unless the journal adds one, a time.
//   - An error says what cannot be done, why, and what to do; the exit code says
//     which kind it is (exit.go). There is no usage text after an error.
//   - What prints events uses the fingers' memory of podman events: the same
//     flags, the same lines, the same place to start.
//   - Nothing is coloured, moved or asked unless stdout is a terminal, and
//     NO_COLOR is honoured there. Control characters that come from labels and
//     names do not reach a terminal.
//   - Output is flushed whenever nothing more is ready, and a reader who has
//     gone, as head does, ends the command without a word.
//   - Flags live in the command that has them; there is no global state.
package cli
