// Package buspolicy has the policies of the buses that tests start: that of a
// session bus, and that of a system bus with the policy file that eventsvc is
// installed with, so that what is shipped is what is tested.
package buspolicy

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// Session allows every client everything, as on a session bus.
const Session = `<type>session</type>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>`

// system is the default policy of a system bus.
const system = `<type>system</type>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>`

// shipped is the policy file, from the directory of any test that is one level
// below the top of the repository.
const shipped = "../dist/dbus/io.podman.Events1.conf"

// System returns the policy of a system bus on which the user of this process has the
// role of root.
func System(t testing.TB) string {
	t.Helper()
	file, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	_, ours, begins := strings.Cut(string(file), "<busconfig>")
	ours, _, ends := strings.Cut(ours, "</busconfig>")
	if !begins || !ends || !strings.Contains(ours, `user="root"`) {
		t.Fatalf("%s is no policy of root's", shipped)
	}
	return system + strings.ReplaceAll(ours, `user="root"`, `user="`+strconv.Itoa(os.Getuid())+`"`)
}
