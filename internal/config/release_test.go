package config

import (
	"os"
	"path/filepath"
	"testing"
)

// As rootless Podman does: it makes directories before it tells its version, and
// fails where it cannot.
func TestRelease_leavesNothing(t *testing.T) {
	runtime, home, temporary := t.TempDir(), filepath.Join(t.TempDir(), "nowhere"), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	t.Setenv("HOME", home)
	t.Setenv("TMPDIR", temporary)
	podman := filepath.Join(t.TempDir(), "podman")
	const script = `#!/bin/sh
set -e
cd "$HOME"
mkdir -p "$XDG_RUNTIME_DIR/libpod/tmp" "$XDG_CONFIG_HOME/containers" "$XDG_DATA_HOME/containers"
echo "podman version 4.3.1"
`
	if err := os.WriteFile(podman, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := askRelease(podman); got != (Release{4, 3}) {
		t.Errorf("the release is %v", got)
	}
	for _, dir := range []string{runtime, temporary} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("in %s there is %v, %v", dir, left, err)
		}
	}
}
