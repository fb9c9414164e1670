package test

import (
	"strings"
	"testing"
)

const (
	eventsName = "io.podman.Events1"
	eventsPath = "/io/podman/Events1"
)

func TestDBusBusctlShowsTheWayToTheEvents(t *testing.T) {
	r := serveDBus(t, nil)
	t.Log(r.busctl("tree", eventsName))
	t.Log(r.busctl("introspect", eventsName, eventsPath))
	r.write(dbusEvent(1), dbusEvent(2))
	t.Log(r.busctl("call", eventsName, eventsPath, eventsName, "GetEvents", "asa{sv}", "1", "type=container", "1", "limit", "t", "10"))
	t.Log(r.busctl("-j", "call", eventsName, eventsPath, eventsName, "GetLastEvent", "as", "0"))
	t.Log(r.busctl("call", eventsName, eventsPath, eventsName, "WriteEvent", "a{sv}", "4", "type", "s", "volume", "status", "s", "create", "name", "s", "data", "attributes", "a{ss}", "1", "a", "b"))
	t.Log(r.mustRun("gdbus", "introspect", "--session", "--dest", eventsName, "--object-path", "/", "--recurse"))
	t.Log(r.mustRun("gdbus", "call", "--session", "--dest", eventsName, "--object-path", eventsPath, "--method", eventsName+".GetEvents", "[]", "{}"))
	out, err := r.run("gdbus", "call", "--session", "--dest", eventsName, "--object-path", eventsPath, "--method", eventsName+".GetEvents", "['typ=container']", "{}")
	t.Log(out, err)
	_ = strings.Contains
}
