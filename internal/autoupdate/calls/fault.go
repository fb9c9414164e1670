package calls

import (
	"errors"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// Fault is an error as a client gets it: one of the contract.
type Fault struct {
	// Name is its name in the contract.
	Name string
	// Parameters are those that it has there.
	Parameters map[string]string
	// Message is for people.
	Message string
}

// FaultOf returns the fault of an error. subject is what the call was about: the
// unit or the image.
func FaultOf(err error, subject string) Fault {
	f := Fault{Message: err.Error()}
	switch {
	case errors.Is(err, autoupdate.ErrBusy):
		f.Name = "Busy"
	case errors.Is(err, autoupdate.ErrBeside):
		f.Name = "PodmanTimerEnabled"
	case errors.Is(err, autoupdate.ErrNoUpdate):
		f.Name, f.Parameters = "NothingToRollBack", map[string]string{"unit": subject, "reason": f.Message}
	case errors.Is(err, autoupdate.ErrNotHeld):
		f.Name, f.Parameters = "NotHeld", map[string]string{"image": subject}
	default:
		f.Name, f.Parameters = "Failed", map[string]string{"reason": f.Message}
	}
	return f
}
