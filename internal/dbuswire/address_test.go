package dbuswire

import (
	"os"
	"strings"
	"testing"
)

// No address makes the service start a bus or run a program.
func TestAddress_startsNothing(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	touched := t.TempDir() + "/touched"
	for _, address := range []string{
		"autolaunch:", "autolaunch:scope=*user", "tcp:host=127.0.0.1,port=1", "nonce-tcp:host=127.0.0.1,port=1,noncefile=/etc/passwd",
		"unixexec:path=/usr/bin/touch,argv1=" + touched, "launchd:env=X", "unix:tmpdir=/tmp", "unix:runtime=yes", "garbage", ";", "unix:path=%zz",
	} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		addresses, err := busAddress(SessionBus)
		if err == nil {
			_, err = dial(addresses)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := os.Stat(touched); err == nil {
		t.Error("a program of the address was run")
	}
}
