package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// terminal is a window of tmux that runs a command.
type terminal struct {
	t      *testing.T
	socket string
}

func newTerminal(t *testing.T, columns, rows int, command string) *terminal {
	t.Helper()
	testkit.Need(t, "tmux")
	w := &terminal{t, filepath.Join(testkit.ShortDir(t), "tmux")}
	w.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), command)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", w.socket, "kill-server").Run() })
	return w
}

func (w *terminal) tmux(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-u", "-S", w.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// await waits until the screen is as expected, and returns its lines and those that have
// scrolled out of it.
func (w *terminal) await(holds func(screen []string) bool) (screen, above []string) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		screen = strings.Split(strings.TrimRight(w.tmux("capture-pane", "-p"), "\n"), "\n")
		if holds(screen) {
			all := strings.Split(strings.TrimRight(w.tmux("capture-pane", "-p", "-S", "-"), "\n"), "\n")
			return screen, all[:max(0, len(all)-len(screen))]
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the screen is\n%s", strings.Join(screen, "\n"))
		}
	}
}

// A timeline that follows fills the terminal and no more, is redrawn in place, and adapts
// to the terminal's size.
func TestTimeline_terminal(t *testing.T) {
	d := newDaemon(t)
	story(t, d.log)
	for i := range 40 {
		appendEvent(t, d.log, fmt.Sprint("more-", i))
	}
	appendEvent(t, d.log, "容器🚀שלום")
	d.start()
	w := newTerminal(t, 80, 24, binary+" timeline --follow --address unix:"+d.socket)
	whole := func(rows int, want string) func([]string) bool {
		return func(screen []string) bool {
			return len(screen) == rows-1 && strings.Contains(screen[0], want) && strings.Contains(strings.Join(screen, "\n"), "more, with less trouble")
		}
	}
	w.await(whole(24, "47 containers"))
	for i := range 3 { // paints over itself
		appendEvent(t, d.log, fmt.Sprint("later-", i))
		screen, above := w.await(whole(24, fmt.Sprint(48+i, " containers")))
		if n := strings.Count(strings.Join(append(above, screen...), "\n"), "starts deaths"); n != 1 {
			t.Fatalf("there are %d pictures\n%s", n, strings.Join(append(above, screen...), "\n"))
		}
	}
	for _, size := range [][2]int{{60, 16}, {130, 40}, {44, 12}, {80, 24}} {
		w.tmux("resize-window", "-x", fmt.Sprint(size[0]), "-y", fmt.Sprint(size[1]))
		screen, _ := w.await(whole(size[1], "50 containers"))
		if n := strings.Count(strings.Join(screen, "\n"), "50 containers"); n != 1 {
			t.Errorf("%v: there are %d pictures\n%s", size, n, strings.Join(screen, "\n"))
		}
	}
}

// appendEvent writes the start of a container to the log, as Podman does.
func appendEvent(t *testing.T, log, name string) {
	t.Helper()
	e := events.Event{Type: events.Container, Status: events.Start, Name: name, ID: fmt.Sprintf("%064x", len(name)), Time: time.Now()}
	line, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}
