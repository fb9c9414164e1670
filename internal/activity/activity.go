// Package activity counts what needs the service, so that it can end when nothing
// does.
package activity

// Counter counts what goes on. It has to be safe for concurrent use, and must not
// wait for what calls it.
type Counter interface {
	// Begin is called when something begins that needs the service, and End once
	// when that is over.
	Begin()
	End()
}

// None counts nothing.
type None struct{}

// Begin does nothing.
func (None) Begin() {}

// End does nothing.
func (None) End() {}
