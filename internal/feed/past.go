package feed

import "context"

// Past bounds what a reading from the store takes for as long as its reader does
// not take what was read. A subscription has one from when it enters the past, be
// it that it begins there or has fallen behind, until it leaves it. It is not safe
// for concurrent use.
type Past interface {
	// Enter waits for the turn to read the past. It may be called again.
	Enter(ctx context.Context) error
	// Begin waits until one more batch may be read. What was read before has been
	// given up, but for so many bytes of memory that are kept for the next.
	Begin(ctx context.Context, kept int) error
	// Hold says how many bytes are held after Begin.
	Hold(bytes int)
	// Leave gives everything back. It may be called again, or without Enter.
	Leave()
}

// Unbounded is the Past of those who are not bounded.
var Unbounded Past = unbounded{}

type unbounded struct{}

func (unbounded) Enter(context.Context) error      { return nil }
func (unbounded) Begin(context.Context, int) error { return nil }
func (unbounded) Hold(int)                         {}
func (unbounded) Leave()                           {}
