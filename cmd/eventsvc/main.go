// Command eventsvc publishes a host's container events as a system service.
// internal/cli implements it; "eventsvc help" lists its commands.
package main

import (
	"os"

	"github.com/eventsvc/eventsvc/internal/cli"
)

func main() { os.Exit(cli.Main()) }
