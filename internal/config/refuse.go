package config

import (
	"fmt"

	"github.com/pkg/errors"
)

// refuse returns an error in the one form of this package: cannot <verb> <object>:
// <cause>; <what to do>.
func refuse(verbAndObject string, cause error, advice string) error {
	return errors.Wrap(fmt.Errorf("%w; %s", cause, advice), "cannot "+verbAndObject)
}
