// Package flags has rules for the flags of all programs here.
package flags

import (
	"slices"

	"github.com/pkg/errors"
	"github.com/spf13/pflag"
)

// RefuseEmpty refuses flags with an empty value: an unset shell variable must not widen
// what is asked for.
func RefuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if err == nil && isEmpty(f) {
			err = errors.Errorf("cannot use --%s: its value is empty; give one, or leave the flag out", f.Name)
		}
	})
	return err
}

// isEmpty reports whether the value of a flag, or one of its values, is empty.
func isEmpty(f *pflag.Flag) bool {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return slices.Contains(list.GetSlice(), "")
	}
	return f.Value.String() == ""
}
