package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/internal/version"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  noWords,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("%s %s (%s, %s/%s)", program, version.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
