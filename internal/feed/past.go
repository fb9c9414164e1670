package feed

import "context"

// Past bounds what a reading from the store uses while its client does not take what
// was read. A subscription has one while it reads the past, whether it began there or
// has fallen behind. It is not safe for concurrent use.
type Past interface {
	// Enter waits for the turn to read the past. It may be called again.
	Enter(ctx context.Context) error
	// Begin waits until one more batch may be read. Earlier batches have been released,
	// except so many bytes of memory that are reused for the next.
	Begin(ctx context.Context, kept int) error
	// Hold sets how many bytes are held after Begin.
	Hold(bytes int)
	// Leave releases everything. It may be called again, or without Enter.
	Leave()
}

// Unbounded is a Past without bounds.
var Unbounded Past = unbounded{}

type unbounded struct{}

func (unbounded) Enter(context.Context) error      { return nil }
func (unbounded) Begin(context.Context, int) error { return nil }
func (unbounded) Hold(int)                         {}
func (unbounded) Leave()                           {}
