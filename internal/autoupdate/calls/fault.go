package calls

import (
	"errors"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// Fault is an error of the contract, as a client gets it.
type Fault struct {
	// Name is its name in the contract.
	Name string
	// Parameters are its parameters there.
	Parameters map[string]string
	// Message is for people.
	Message string
}

// FaultOf returns the fault for an error. subject is the unit or image that the call
// was about.
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
