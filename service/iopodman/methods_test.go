package iopodman_test

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/oldclient"
)

func TestMethods_notImplemented(t *testing.T) {
	r := newRig(t)
	commands := oldclient.OtherCommands()
	if len(commands) < 10 {
		t.Errorf("there are only %d other commands", len(commands))
	}
	for _, args := range commands {
		got := r.run(strings.Fields(args)...)
		if got.code != 125 || got.stdout != "" || !strings.HasPrefix(got.stderr, "Error: ") ||
			!strings.HasSuffix(got.stderr, "org.varlink.service.MethodNotImplemented\n") {
			t.Errorf("%s: %+v", args, got)
		}
	}
	c := r.raw()
	for _, method := range []string{
		"Ps", "ListContainers", "GetContainersLogs", "CreateContainer", "Reset", "Attach", "PullImage", "getevents", "X-Y", "GetEvent",
	} {
		got := c.ask(`{"method":"io.podman.` + method + `","parameters":{"any":[{"thing":1}]},"more":true}`)
		if want := `{"error":"org.varlink.service.MethodNotImplemented","parameters":{"method":"io.podman.` + method + `"}}`; got != want {
			t.Errorf("reply is %s, want %s", got, want)
		}
	}
}

func TestMethods_wrongType(t *testing.T) {
	c := newRig(t).raw()
	for parameters, field := range map[string]string{
		`{"filter":"x","since":"","until":""}`: "filter", `{"filter":[1],"since":"","until":""}`: "filter",
		`{"filter":[],"since":5,"until":""}`: "since", `{"filter":[],"since":"","until":{}}`: "until",
	} {
		got := c.ask(`{"method":"io.podman.GetEvents","parameters":` + parameters + `,"more":true}`)
		if want := `{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"` + field + `"}}`; got != want {
			t.Errorf("%s is answered with %s, want %s", parameters, got, want)
		}
	}
}

func TestMethods_getInfo(t *testing.T) {
	c := newRig(t).raw()
	got := c.ask(`{"method":"org.varlink.service.GetInfo"}`)
	const want = `{"parameters":{"vendor":"eventsvc","product":"eventsvc","version":"1.2.3","url":"https://github.com/eventsvc/eventsvc",` +
		`"interfaces":["io.podman","io.podman.events","io.systemd.service","org.varlink.service"]}}`
	if got != want {
		t.Errorf("reply is\n%s, want\n%s", got, want)
	}
}

// Version prints that of this service.
func TestVersion_service(t *testing.T) {
	got := newRig(t).run("version")
	_, server, found := strings.Cut("\n"+got.stdout, "\nServer:\n")
	lines := strings.Split(strings.TrimSpace(server), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "Built:") || strings.HasPrefix(line, "Git Commit:")
	})
	want := []string{
		"Version:            1.2.3", "RemoteAPI Version:  1", "Go Version:         " + runtime.Version(),
		"OS/Arch:            " + runtime.GOOS + "/" + runtime.GOARCH,
	}
	if !found || got.code != 0 || !slices.Equal(lines, want) {
		t.Errorf("%+v, want %q", got, want)
	}
}

// host is what GetInfo tells.
type host struct {
	BuildahVersion *string `json:"buildah_version"`
	Distribution   struct{ Distribution, Version string }
	MemFree        int64 `json:"mem_free"`
	MemTotal       int64 `json:"mem_total"`
	SwapFree       int64 `json:"swap_free"`
	SwapTotal      int64 `json:"swap_total"`
	Cpus           int64
	Arch, Os       string
	Hostname       string
	Kernel         string
	Uptime         string
	Eventlogger    string
}

func hostOf(t *testing.T, r *rig) host {
	t.Helper()
	var got struct {
		Parameters struct{ Info struct{ Host host } }
	}
	frame := r.raw().ask(`{"method":"io.podman.GetInfo"}`)
	if err := json.Unmarshal([]byte(frame), &got); err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	return got.Parameters.Info.Host
}

// Info tells the truth about the host.
func TestInfo_host(t *testing.T) {
	r := newRig(t)
	got := hostOf(t, r)
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skipf("there is no /proc: %v", err)
	}
	if got.Hostname != name || got.Kernel != strings.TrimSpace(string(kernel)) || got.Os != runtime.GOOS || got.Arch != runtime.GOARCH ||
		got.Eventlogger != "file" || got.BuildahVersion == nil || *got.BuildahVersion != "" || got.Cpus != int64(runtime.NumCPU()) ||
		!strings.Contains(got.Uptime, "h ") {
		t.Errorf("host is %+v", got)
	}
	memory := memoryOf(t)
	if got.MemTotal != memory["MemTotal"] || got.SwapTotal != memory["SwapTotal"] || got.MemFree <= 0 || got.MemFree > got.MemTotal ||
		got.SwapFree > got.SwapTotal {
		t.Errorf("host is %+v, /proc/meminfo says %v", got, memory)
	}
	if text, err := os.ReadFile("/etc/os-release"); err == nil && !strings.Contains(string(text), got.Distribution.Distribution) {
		t.Errorf("distribution is %+v", got.Distribution)
	}
	if info := r.run("info"); info.code != 0 || !strings.Contains(info.stdout, "eventLogger: file\n") || !strings.Contains(info.stdout, "hostname: "+name+"\n") {
		t.Errorf("podman-remote info: %+v", info)
	}
}

// memoryOf reads /proc/meminfo, in bytes.
func memoryOf(t *testing.T) map[string]int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip(err)
	}
	memory := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		var kilobytes int64
		if err := json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimSpace(rest), " kB")), &kilobytes); err == nil {
			memory[name] = kilobytes << 10
		}
	}
	return memory
}
