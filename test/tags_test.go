//go:build !systemd

package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// buildTags are those that the daemon under test is built with: those of the
// tests.
const buildTags = ""

// imitatePodmanInJournal is for tests of the journal alone.
func imitatePodmanInJournal(string) int { return 1 }

// The error of a build without the journal says what to install.
func TestJournal_withoutTag(t *testing.T) {
	out, err := exec.Command(binary, "serve", "--config", "/dev/null", "--backend", "journald", "--dbus", "none", "--listen", "unix:"+filepath.Join(testkit.ShortDir(t), "s")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "libsystemd-dev") || !strings.Contains(string(out), "--backend file") {
		t.Errorf("%v: %s", err, out)
	}
}
