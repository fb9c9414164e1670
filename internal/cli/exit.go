package cli

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
)

// The exit codes, as explained by "eventsvc help exit-codes". 4 and 7 are those of
// systemd and of init scripts (systemd.exec(5), "Process Exit Codes").
const (
	exitOK          = 0
	exitError       = 1
	exitDenied      = 4
	exitUnreachable = 7
	exitExpired     = 10
	exitTimedOut    = 124 // as timeout(1)
	exitSignal      = 128 // plus the number of the signal
)

// interrupted is the cause when a signal ends a command's context.
type interrupted syscall.Signal

func (s interrupted) Error() string { return fmt.Sprintf("interrupted by %v", syscall.Signal(s)) }

// errReaderGone ends a command whose output is no longer read.
var errReaderGone = errors.New("the reader of the output has gone")

// failure returns why a context ended, if that was a failure: neither a signal nor its
// regular end.
func failure(ctx context.Context) error {
	var signal interrupted
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, context.Canceled) || errors.As(cause, &signal) {
		return nil
	}
	return cause
}

// exitCode returns the exit code for the error of a command.
func exitCode(ctx context.Context, err error) int {
	var signal interrupted
	var expired *events.ExpiredError
	var connection *client.ConnectionError
	var command *commandError
	switch {
	case err == nil, errors.Is(err, errReaderGone), errors.Is(err, syscall.EPIPE) && !errors.As(err, &connection):
		return exitOK
	case errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &signal):
		return exitSignal + int(signal)
	case errors.As(err, &command):
		return command.code
	case errors.Is(err, errTimedOut):
		return exitTimedOut
	case errors.As(err, &expired):
		return exitExpired
	case errors.Is(err, client.ErrPermissionDenied), errors.As(err, &connection) && errors.Is(err, fs.ErrPermission):
		return exitDenied
	case errors.As(err, &connection), errors.Is(err, client.ErrShuttingDown):
		return exitUnreachable
	}
	return exitError
}
