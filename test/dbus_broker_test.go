package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

func TestDBus_broker(t *testing.T) {
	needRoot(t)
	testkit.Need(t, "systemd-nspawn")
	testkit.Need(t, "busctl")
	if _, err := os.Stat(testkit.Peers("trixie/usr/bin/dbus-broker")); err != nil {
		testkit.Missing(t, "the trixie tree with dbus-broker", "test/peers/trixie.sh")
	}
	tests := filepath.Join(t.TempDir(), "dbus.test")
	if out, err := exec.Command("go", "test", "-c", "-o", tests, "../dbus").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("./dbus_broker.sh", tests, "-test.v")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if passed := strings.Count(string(out), "--- PASS: Test"); passed < 20 {
		t.Errorf("only %d tests have run on dbus-broker:\n%s", passed, out)
	}
}
