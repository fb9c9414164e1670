package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// podmanRoom is a real Podman with storage of its own, and its log.
type podmanRoom struct {
	t   *testing.T
	dir string
	log string
}

func newPodman(t *testing.T) *podmanRoom {
	t.Helper()
	needRoot(t)
	testkit.Need(t, "podman")
	testkit.Need(t, "runc")
	p := &podmanRoom{t: t, dir: testkit.ShortDir(t)}
	t.Cleanup(func() { _ = p.command("--clean").Run() })
	p.log = strings.TrimSpace(p.run("--log"))
	return p
}

func (p *podmanRoom) command(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join("peers", "podman.sh"), append([]string{p.dir}, args...)...)
}

func (p *podmanRoom) run(args ...string) string {
	p.t.Helper()
	cmd := p.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("podman %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// produce makes Podman cause events of many kinds.
func (p *podmanRoom) produce(prefix string) {
	p.t.Helper()
	if out, err := exec.Command(filepath.Join("peers", "produce.sh"), p.dir, prefix).CombinedOutput(); err != nil {
		p.t.Fatalf("produce.sh: %v\n%s", err, out)
	}
	p.run("--settle")
}

// lines returns the events of the log file.
func (p *podmanRoom) lines() []events.Event {
	p.t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return decode(p.t, b)
}

// decode reads lines in the form of Podman's log.
func decode(t *testing.T, b []byte) []events.Event {
	t.Helper()
	var all []events.Event
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Bytes()
		if bytes.Contains(line, []byte(`"Timestamp":`)) {
			line = logged(t, line)
		}
		var e events.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// logged turns a line of eventsvc events --format json into one of the log.
func logged(t *testing.T, line []byte) []byte {
	t.Helper()
	members := make(map[string]any)
	if err := json.Unmarshal(line, &members); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	members["Time"] = members["Timestamp"]
	for _, own := range []string{"time", "timeNano", "Timestamp", "UID", "Host", "Cursor"} {
		delete(members, own)
	}
	line, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// key returns an event in a form in which it can be compared.
func key(e *events.Event) string {
	plain := *e
	plain.Extra, plain.Time = nil, plain.Time.UTC()
	if len(plain.Attributes) == 0 {
		plain.Attributes = nil
	}
	if plain.ContainerExitCode != nil && *plain.ContainerExitCode == 0 {
		plain.ContainerExitCode = nil // which Podman before 5 leaves out
	}
	s, err := plain.ToJSONString()
	if err != nil {
		return err.Error()
	}
	return s
}

func keys(all []events.Event) []string {
	out := make([]string, 0, len(all))
	for i := range all {
		out = append(out, key(&all[i]))
	}
	return out
}

// wireKeys returns the keys of events in replies.
func wireKeys(t *testing.T, all []event) []string {
	t.Helper()
	out := make([]string, 0, len(all))
	for _, w := range all {
		at, err := time.Parse(time.RFC3339, w.Time)
		if err != nil {
			t.Fatal(err)
		}
		kind, err := events.StringToType(w.Type)
		if err != nil {
			t.Fatal(err)
		}
		status, err := events.StringToStatus(w.Status)
		if err != nil {
			t.Fatal(err)
		}
		e := events.Event{
			Type: kind, Status: status, Time: at, ID: w.ID, Name: w.Name, Image: w.Image, Network: w.Network,
			ContainerExitCode: w.ExitCode, Details: events.Details{PodID: w.PodID, Attributes: w.Attributes},
		}
		out = append(out, key(&e))
	}
	return out
}

// same compares two lists of events.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("%s: %d events of %d; the first that is missing is %s", what, len(got), len(want), want[i])
		case i >= len(want):
			t.Errorf("%s: %d events instead of %d; the first too many is %s", what, len(got), len(want), got[i])
		case got[i] != want[i]:
			t.Errorf("%s: event %d\n got %s\nwant %s", what, i, got[i], want[i])
		default:
			continue
		}
		return
	}
}

// follower is a program that follows events and prints them.
type follower struct {
	cmd *exec.Cmd
	out *testkit.Buffer
}

func follow(t *testing.T, cmd *exec.Cmd) *follower {
	t.Helper()
	f := &follower{cmd: cmd, out: new(testkit.Buffer)}
	cmd.Stdout, cmd.Stderr = f.out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return f
}

// await waits until the program has printed the text.
func (f *follower) await(t *testing.T, text string) string {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(f.out.String(), text) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has not printed %q:\n%s", f.cmd, text, f.out)
		}
		time.Sleep(5 * time.Millisecond) // for another program, whose output is not announced
	}
	return f.out.String()
}

// replies reads the parameters of replies from the output of a Varlink program.
func replies(t *testing.T, out string) []event {
	t.Helper()
	var all []event
	d := json.NewDecoder(strings.NewReader(strings.ReplaceAll(out, "\x1e", "")))
	for {
		var r struct {
			Event  *event
			Events []event
		}
		err := d.Decode(&r)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("%v in the output of a Varlink program", err)
		}
		if r.Event != nil {
			all = append(all, *r.Event)
		}
		all = append(all, r.Events...)
	}
}

// Every client gets the events of a real Podman.
func TestPodman_everyClient(t *testing.T) {
	p := newPodman(t)
	varlinkctl := func(args ...string) *exec.Cmd { return peer(t, "varlinkctl.sh", args...) }
	_ = peer(t, "pyvarlink.sh")
	d := newDaemon(t)
	d.log = p.log
	d.start()
	address := "unix:" + d.socket

	raw := d.subscribe(nil)
	viaVarlinkctl := follow(t, varlinkctl("call", "--more", "-E", address, "io.podman.events.Subscribe", "{}"))
	viaPython := follow(t, peer(t, "pyvarlink.sh", "call", "-m", address+"/io.podman.events.Subscribe", "{}"))
	viaCLI := follow(t, exec.Command(binary, "events", "--address", address, "--format", "json"))
	viaVarlinkctl.await(t, `"ready"`)
	viaPython.await(t, `"ready"`)
	for d.call("GetStatus", nil).Parameters.Subscribers < 4 {
		time.Sleep(5 * time.Millisecond) // for the command line client, which prints nothing before an event
	}
	p.produce("a")
	p.run("volume", "create", endName)
	want := keys(p.lines())

	live, err := raw.collect(func(e *event) bool { return e.Name == endName })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "raw socket, live", wireKeys(t, live), want)
	same(t, "varlinkctl, live", wireKeys(t, replies(t, viaVarlinkctl.await(t, `"`+endName+`"`))), want)
	same(t, "python3-varlink, live", wireKeys(t, replies(t, viaPython.await(t, `"`+endName+`"`))), want)
	same(t, "eventsvc events, live", keys(decode(t, []byte(viaCLI.await(t, `"`+endName+`"`)))), want)

	same(t, "raw socket, history", wireKeys(t, d.history(nil)), want)
	out, err := varlinkctl("call", "--more", address, "io.podman.events.GetEvents", "{}").Output()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "varlinkctl, history", wireKeys(t, replies(t, string(out))), want)
	out, err = exec.Command(binary, "events", "--address", address, "--stream=false", "--format", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "eventsvc events, history", keys(decode(t, out)), want)

	// The line for people is Podman's, except for the order of labels.
	out, err = exec.Command(binary, "events", "--address", address, "--stream=false").Output()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "human lines", sortLabels(string(out)), sortLabels(p.run("events", "--stream=false")))

	for _, args := range [][]string{
		{"info", address},
		{"list-interfaces", address},
		{"introspect", address, "io.podman.events"},
		{"validate-idl", "../io.podman.events.varlink"},
	} {
		if out, err := varlinkctl(args...).CombinedOutput(); err != nil {
			t.Errorf("varlinkctl %v: %v\n%s", args, err, out)
		}
	}
}

// sortLabels sorts the labels in brackets.
func sortLabels(out string) []string {
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if i := strings.LastIndex(line, " (image="); i >= 0 && strings.HasSuffix(line, ")") {
			parts := strings.Split(line[i+2:len(line)-1], ", ")
			slices.Sort(parts)
			line = line[:i+2] + strings.Join(parts, ", ") + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

// Filters select the same events as in real Podman.
func TestPodman_filters(t *testing.T) {
	p := newPodman(t)
	p.produce("a")
	p.produce("ab")
	all := p.lines()
	d := newDaemon(t)
	d.log = p.log
	d.start()

	var container, image, pod events.Event
	for _, e := range all {
		switch e.Type {
		case events.Container:
			container = e
		case events.Image:
			image = e
		case events.Pod:
			pod = e
		}
	}
	// Podman 4.3.1 compares volume= with the ID, and knows neither die nor
	// labels without a value: those are left out here.
	single := []string{
		"container=" + container.Name, "container=" + container.ID, "container=" + container.ID[:12], "container=none",
		"image=" + image.Name, "image=" + image.ID[:10], "pod=" + pod.Name, "pod=" + pod.ID[:8],
		"event=create", "event=died", "event=health_status", "type=container", "type=image", "type=pod", "type=volume",
		"type=system", "label=app=shop", "label=app=none", "label=team=red", "Network=none",
	}
	own := func(args []string) []string {
		t.Helper()
		out, err := exec.Command(binary, append(append([]string{}, args...), "--address", "unix:"+d.socket)...).Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return keys(decode(t, out))
	}
	check := func(filters []string, more ...string) {
		t.Helper()
		args := []string{"events", "--stream=false", "--format", "json"}
		for _, f := range filters {
			args = append(args, "--filter", f)
		}
		args = append(args, more...)
		want := keys(decode(t, []byte(p.run(args...))))
		same(t, strings.Join(args[2:], " "), own(args), want)
	}
	matched := 0
	for _, f := range single {
		check([]string{f})
		matched += len(d.history(params{"filters": []string{f}}))
	}
	if matched < len(all) {
		t.Errorf("the filters matched only %d times: they prove little", matched)
	}
	for i := range single {
		check([]string{single[i], single[(i+7)%len(single)]})
		check([]string{single[i], single[(i+3)%len(single)], single[(i+11)%len(single)]})
	}
	middle := all[len(all)/2].Time
	for _, at := range []string{
		middle.Format(time.RFC3339Nano), middle.Format(time.RFC3339), fmt.Sprintf("%d", middle.Unix()),
		middle.UTC().Format("2006-01-02T15:04:05"), "10m", "2006-01-02",
	} {
		check(nil, "--since", at)
		check([]string{"type=container"}, "--since", at)
	}
	// If until has passed, 4.3.1 stops before it has read anything, so the expected events
	// are taken from the log itself. If until is in the future, they can be compared.
	ahead := time.Now().Add(2 * time.Second).Format(time.RFC3339)
	check(nil, "--until", ahead)
	check([]string{"event=create"}, "--since", middle.Format(time.RFC3339Nano), "--until", ahead)
	for _, since := range []time.Time{{}, all[3].Time} {
		var want []events.Event
		for _, e := range all {
			if e.Time.After(since) && e.Time.Before(middle) {
				want = append(want, e)
			}
		}
		args := []string{"events", "--stream=false", "--format", "json", "--until", middle.Format(time.RFC3339Nano)}
		if !since.IsZero() {
			args = append(args, "--since", since.Format(time.RFC3339Nano))
		}
		same(t, strings.Join(args[2:], " "), own(args), keys(want))
	}
}

// TestWait_podmanStart: the recipe for the exit code of a container, with podman 4.3.1. It
// is run with 5.4.2 in a booted machine.
func TestWait_podmanStart(t *testing.T) {
	p := newPodman(t)
	p.run("--image")
	if err := p.command("--can-run").Run(); err != nil {
		t.Skip("this machine runs no containers")
	}
	p.run("create", "--pull=never", "--name", "job", "localhost/busybox:test", "sh", "-c", "exit 9")
	d := newDaemon(t)
	d.log = p.log
	d.start()
	eventsvc := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(binary, append([]string{args[0], "--address", "unix:" + d.socket}, args[1:]...)...).Output()
		if err != nil {
			t.Fatal(args, err)
		}
		return strings.TrimSpace(string(out))
	}
	died := []string{"--timeout", "60s", "--filter", "container=job", "--filter", "event=died", "--format", "{{.ContainerExitCode}}"}
	podman, err := filepath.Abs("peers/podman.sh")
	if err != nil {
		t.Fatal(err)
	}
	recipe := append(append([]string{"wait"}, died...), "--", podman, p.dir, "start", "job")
	if code := eventsvc(recipe...); code != "9" {
		t.Errorf("the recipe prints %q, want 9", code)
	}
	if code := eventsvc(append([]string{"wait", "--or-now"}, died...)...); code != "9" {
		t.Errorf("with --or-now it is %q, want 9", code)
	}
	if state := eventsvc("state", "--filter", "container=job", "--format", "{{.Status}} {{.ExitCode}}"); state != "died 9" {
		t.Errorf("its state is %q", state)
	}
	p.run("rename", "job", "task")
	p.run("--settle")
	if state := eventsvc("state", "--filter", "name=task", "--format", "{{.Status}}") + eventsvc("state", "--filter", "name=job", "--format", "{{.Status}}"); state != "died" {
		t.Errorf("renamed, its state is %q", state)
	}
}
