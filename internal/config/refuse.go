package config

import (
	"fmt"

	"github.com/pkg/errors"
)

// refuse makes the one form of an error of this package:
// cannot <verb> <object>: <cause>; <what to do>.
func refuse(verbAndObject string, cause error, advice string) error {
	return errors.Wrap(fmt.Errorf("%w; %s", cause, advice), "cannot "+verbAndObject)
}
