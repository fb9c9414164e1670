// Command eventsvc makes the container events of a host available as a system
// service. What it can do is in internal/cli; "eventsvc help" lists it.
package main

import (
	"os"

	"github.com/eventsvc/eventsvc/internal/cli"
)

func main() { os.Exit(cli.Main()) }
