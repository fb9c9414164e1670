package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// The image of dist/Containerfile is built and run as docs/container.md says, with nothing of the host but the directories of the
// log and of the socket. A follower on the host gets every event of the host's Podman once, past rotations of the log, its own
// container's too, and the service ends when it is asked to.
func TestContainer_servesTheHost(t *testing.T) {
	t.Setenv("EVENTSVC_LOG_MAX_SIZE", "2k")
	p := newPodman(t)
	if out, err := p.command("--can-run").CombinedOutput(); err != nil {
		t.Logf("%s", out)
		testkit.Missing(t, "a Podman that can run containers here", "test/peers/install.sh")
	}
	tree := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(tree, "eventsvc"), "../cmd/eventsvc")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	licences, err := exec.Command("../dist/package/third-party.sh", "texts").Output()
	if err != nil {
		t.Fatalf("third-party.sh: %v", err)
	}
	if err := os.WriteFile(filepath.Join(tree, "third-party.txt"), licences, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../LICENSE", "../dist/Containerfile"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, filepath.Base(file)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := testkit.ShortDir(t)
	p.run("build", "--isolation", "chroot", "--tag", "localhost/eventsvc", tree)
	p.run("run", "--detach", "--name", "eventsvc", "--network", "none", "--read-only", "--cap-drop", "all",
		"--security-opt", "no-new-privileges", "--volume", filepath.Dir(p.log)+":/run/libpod/events",
		"--volume", run+":/run/eventsvc", "localhost/eventsvc")
	address := "unix:" + filepath.Join(run, "io.podman.events")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command(binary, "status", "--address", address).CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the service in the container does not answer: %v\n%s", err, out)
		}
	}

	f := follow(t, exec.Command(binary, "events", "--address", address, "--since", "1h", "--format", "{{.Type}} {{.Status}} {{.Name}}"))
	f.await(t, "container start eventsvc\n")
	var want strings.Builder
	for i := range 30 {
		name := fmt.Sprintf("v%02d", i)
		p.run("volume", "create", name)
		fmt.Fprintf(&want, "volume create %s\n", name)
	}
	written, err := exec.Command(binary, "write", "--address", address, "--type", "volume", "--status", "remove", "--name", endName).CombinedOutput()
	if err != nil {
		t.Fatalf("eventsvc write: %v\n%s", err, written)
	}
	last := "volume remove " + endName + "\n"
	want.WriteString(last)
	out := f.await(t, last)
	// Podman reports the rotations, and, at an arbitrary time, the image of the container.
	if n := strings.Count(out, "log-rotation "); n < 2 {
		t.Errorf("the log was rotated %d times", n)
	}
	volumes := regexp.MustCompile(`(?m)^volume .*\n`).FindAllString(out, -1)
	if got := strings.Join(volumes, ""); got != want.String() {
		t.Errorf("the follower got of the volumes\n%s", got)
	}

	p.run("stop", "--time", "20", "eventsvc")
	if code := strings.TrimSpace(p.run("inspect", "--format", "{{.State.ExitCode}}", "eventsvc")); code != "0" {
		t.Errorf("the service ended with %s:\n%s", code, p.run("logs", "eventsvc"))
	}
}
