package podman

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A podman that hangs fails its own call, is ended with what it has started, and
// leaves the others alone.
func TestProgram_hangs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "podman")
	script := "#!/bin/sh\ncase $* in\n*hangs*) sleep 1000 & echo $! >" + dir + "/child; wait ;;\nesac\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	p := Program{Path: path, Limit: 2 * time.Second}
	err := p.Pull(t.Context(), "registry.test/hangs", "")
	if err == nil || !strings.Contains(err.Error(), "no answer in 2s") {
		t.Errorf("the pull that hangs: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// It was killed; until that has happened and it is reaped, its process is there.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs: %s", child, state)
		}
	}
	if err := (Program{Path: path}).Pull(t.Context(), "registry.test/fine", ""); err != nil {
		t.Errorf("another pull: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Tag(ctx, "id", "name"); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted call: %v", err)
	}
}
