package oldclient

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The exit codes of the client.
const (
	ExitOK    = 0
	ExitError = 125
)

// Run runs one command of the client, such as "events", "--since", "1h", on a new
// connection. It returns the client's exit code.
func Run(conn io.ReadWriter, stdout, stderr io.Writer, args ...string) int {
	if err := run(newWire(conn), stdout, args); err != nil {
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return ExitError
	}
	return ExitOK
}

func run(w *wire, stdout io.Writer, args []string) error {
	if len(args) == 0 {
		return errors.New("missing command")
	}
	switch args[0] {
	case "events":
		return events(w, args[1:], stdout)
	case "version":
		return version(w, stdout)
	case "info":
		return info(w, stdout)
	}
	calls, ok := others[strings.Join(args, " ")]
	if !ok {
		return fmt.Errorf("unknown command %q", args)
	}
	return calls.run(w)
}

// other is a command that has nothing to do with events: the calls that it makes while
// each of them fails, and what it prints before the last error.
type other struct {
	requests []string
	prefix   string
}

func (o *other) run(w *wire) error {
	var last error
	for _, request := range o.requests {
		if err := w.send(request); err != nil {
			return err
		}
		if _, last = w.receive(); last == nil {
			return nil
		}
	}
	return fmt.Errorf("%s%w", o.prefix, last)
}

// byContext is the call that finds the containers named in a command.
const byContext = `{"method":"io.podman.GetContainersByContext","parameters":{"all":false,"latest":false,"args":["x"]}}`

var others = map[string]other{
	"ps": {requests: []string{`{"method":"io.podman.Ps","parameters":{"opts":{"all":false,"filters":[],"last":-1,` +
		`"latest":false,"noTrunc":false,"pod":false,"quiet":false,"size":false,"sort":"created","sync":false}}}`}},
	"ps -a": {requests: []string{`{"method":"io.podman.Ps","parameters":{"opts":{"all":true,"filters":[],"last":-1,` +
		`"latest":false,"noTrunc":false,"pod":false,"quiet":false,"size":false,"sort":"created","sync":false}}}`}},
	"images":    {requests: []string{`{"method":"io.podman.ListImages"}`}, prefix: "unable to get images: "},
	"volume ls": {requests: []string{`{"method":"io.podman.GetVolumes","parameters":{"args":[],"all":true}}`}},
	"pod ps": {requests: []string{
		`{"method":"io.podman.GetPodsByContext","parameters":{"all":true,"latest":false,"args":[]}}`,
	}},
	"pod create": {requests: []string{
		`{"method":"io.podman.CreatePod","parameters":{"create":{"name":"","cgroupParent":"","labels":{},` +
			`"share":["cgroup","ipc","net","uts"],"infra":true,"infraCommand":"/pause","infraImage":"/pause","publish":[]}}}`,
	}, prefix: "unable to create pod: "},
	"volume create x": {requests: []string{
		`{"method":"io.podman.VolumeCreate","parameters":{"options":{"volumeName":"x","driver":"","labels":{},"options":{}}}}`,
	}},
	"run alpine": {requests: []string{`{"method":"io.podman.CreateContainer","parameters":{"create":{"args":["alpine"]}}}`}},
	"rm x":       {requests: []string{byContext}},
	"inspect x": {requests: []string{
		`{"method":"io.podman.ContainerStateData","parameters":{"name":"x"}}`,
		`{"method":"io.podman.GetImage","parameters":{"id":"x"}}`,
	}, prefix: `error getting image "x": `},
	"wait x": {requests: []string{byContext}},
	"logs x": {requests: []string{
		`{"method":"io.podman.GetContainersLogs","parameters":{"names":["x"],"follow":false,"latest":false,` +
			`"since":"0001-01-01T00:00:00Z","tail":-1,"timestamps":false},"more":true}`,
	}},
}

// OtherCommands returns the commands that have nothing to do with events.
func OtherCommands() []string {
	var names []string
	for name := range others {
		names = append(names, name)
	}
	return names
}

// version prints what the service reports, below a line "Server:"; nothing else in the
// output depends on the service.
func version(w *wire, stdout io.Writer) error {
	if err := w.send(`{"method":"io.podman.GetVersion"}`); err != nil {
		return err
	}
	r, err := w.receive()
	if err != nil {
		return err
	}
	var in struct {
		Version   string `json:"version"`
		GoVersion string `json:"go_version"`
		GitCommit string `json:"git_commit"`
		Built     string `json:"built"`
		OSArch    string `json:"os_arch"`
		RemoteAPI int64  `json:"remote_api_version"`
	}
	r.decode(&in)
	built, err := time.Parse(time.RFC3339, in.Built)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Server:\nVersion:            %s\nRemoteAPI Version:  %d\nGo Version:         %s\n",
		in.Version, in.RemoteAPI, in.GoVersion)
	if in.GitCommit != "" {
		fmt.Fprintf(stdout, "Git Commit:         %s\n", in.GitCommit)
	}
	if built.Unix() != 0 {
		fmt.Fprintf(stdout, "Built:              %s\n", built.UTC().Format(time.ANSIC))
	}
	fmt.Fprintf(stdout, "OS/Arch:            %s\n", in.OSArch)
	return nil
}

// info prints the host, in the form of "info --format '{{.Host...}}'": one line for
// each member.
func info(w *wire, stdout io.Writer) error {
	if err := w.send(`{"method":"io.podman.GetInfo"}`); err != nil {
		return err
	}
	r, err := w.receive()
	if err != nil {
		return fmt.Errorf("error getting info: %w", err)
	}
	var in struct {
		Info struct {
			Host struct {
				BuildahVersion string `json:"buildah_version"`
				Distribution   struct{ Distribution, Version string }
				MemFree        int64 `json:"mem_free"`
				MemTotal       int64 `json:"mem_total"`
				SwapFree       int64 `json:"swap_free"`
				SwapTotal      int64 `json:"swap_total"`
				CPUs           int64
				Arch           string
				Hostname       string
				Kernel         string
				OS             string
				Uptime         string
				EventLogger    string
			}
		}
	}
	r.decode(&in)
	h := &in.Info.Host
	fmt.Fprintf(stdout, "arch: %s\nbuildahVersion: %q\ncpus: %d\ndistribution: %s %s\neventLogger: %s\nhostname: %s\n"+
		"kernel: %s\nmemFree: %d\nmemTotal: %d\nos: %s\nswapFree: %d\nswapTotal: %d\nuptime: %s\n",
		h.Arch, h.BuildahVersion, h.CPUs, h.Distribution.Distribution, h.Distribution.Version, h.EventLogger, h.Hostname,
		h.Kernel, h.MemFree, h.MemTotal, h.OS, h.SwapFree, h.SwapTotal, h.Uptime)
	return nil
}
