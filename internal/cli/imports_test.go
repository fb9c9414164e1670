package cli

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports_noImageLibrary: the daemon must not be able to reach a registry.
func TestImports_noImageLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../../cmd/eventsvc").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{"go.podman.io/", "internal/autoupdate"} {
		if strings.Contains(string(out), forbidden) {
			t.Errorf("cmd/eventsvc imports %s", forbidden)
		}
	}
}
