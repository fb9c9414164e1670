// Package activity counts what needs the service, so that it can end when nothing does.
package activity

// Counter counts what needs the service. It must be safe for concurrent use, and must
// not block its callers.
type Counter interface {
	// Begin is called when something that needs the service begins, and End once when
	// it is over.
	Begin()
	End()
}

// None counts nothing.
type None struct{}

// Begin does nothing.
func (None) Begin() {}

// End does nothing.
func (None) End() {}
