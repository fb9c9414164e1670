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
			_, err := fmt.Fprintf(a.stdout, "%s %s (%s, %s/%s)\n",
				program, version.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
