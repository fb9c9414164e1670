// Command eventsvc-updater updates the containers of systemd units and verifies
// the result. "eventsvc auto-update" runs it. It drives Podman and systemd, so it
// is as powerful as the user that runs it: for root, that is root.
package main

import (
	"os"

	"github.com/eventsvc/eventsvc/internal/autoupdate/command"
)

func main() { os.Exit(command.Main()) }
