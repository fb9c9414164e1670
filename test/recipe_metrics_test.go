package test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// unitsOf returns the files that the ini blocks of a page show, by their paths.
func unitsOf(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for i, block := range strings.Split(string(text), "```ini\n") {
		if i == 0 {
			continue
		}
		path := ""
		for line := range strings.Lines(block[:strings.Index(block, "```")]) {
			if name, ok := strings.CutPrefix(line, "# /"); ok {
				path = "/" + strings.TrimSpace(name)
			} else {
				files[path] += line
			}
		}
	}
	return files
}

// metricsRecipe runs what docs/metrics.md shows: with the drop-in and a port, the service
// counts while no client follows, and does not exit when idle, with a log file and with
// the journal; and the textfile of node_exporter.
func metricsRecipe(t *testing.T, m *machine, _ user) {
	testkit.Need(t, "prometheus-node-exporter", "promtool")
	const config, scrape = "/etc/eventsvc/eventsvc.toml.d/metrics.toml", "curl -sSf http://127.0.0.1:9401/metrics | grep -v '^#'"
	const dropIn = "/etc/systemd/system/eventsvc.service.d/metrics.conf"
	units := unitsOf(t, "../docs/metrics.md")
	for path, text := range units {
		m.put(path, text)
	}
	m.t.Cleanup(func() {
		_, _ = m.try("systemctl", "disable", "--now", "eventsvc-textfile.timer")
		_, _ = m.try("systemctl", "disable", "eventsvc.service")
		_, _ = m.try("rm", "-f", config, dropIn)
		_, _ = m.try("systemctl", "daemon-reload")
		_, _ = m.try("systemctl", "restart", "eventsvc.service")
	})
	for _, backend := range []string{"file", "journald"} {
		m.put(config, "metrics = \"127.0.0.1:9401\"\nexit-idle-time = \"1s\"\nbackend = \""+backend+"\"\n")
		m.sh("systemctl daemon-reload && systemctl restart eventsvc.service && systemctl enable eventsvc.service")
		pid := m.property("eventsvc.service", "MainPID")
		m.sh("for i in 1 2 3; do podman --events-backend=" + backend + " volume create " + backend + "-$i; sleep 0.7; done")
		m.eventually(`eventsvc_events_total{status="create",type="volume"} 3`, "sh", "-c", scrape)
		if now := m.property("eventsvc.service", "MainPID"); now != pid {
			t.Errorf("%s: process %s has become %s", backend, pid, now)
		}
	}

	m.put(config, "metrics = \"unix:/run/eventsvc/metrics\"\n")
	m.run("rm", dropIn)
	m.sh("mkdir -p /var/lib/prometheus/node-exporter; systemctl daemon-reload; systemctl restart eventsvc.service")
	m.container("textfile", "3")
	m.run("systemctl", "enable", "--now", "eventsvc-textfile.timer")
	m.eventually(`name="textfile"} 1`, "cat", "/var/lib/prometheus/node-exporter/eventsvc.prom")
	text := m.run("cat", "/var/lib/prometheus/node-exporter/eventsvc.prom")
	lint := exec.Command("promtool", "check", "metrics")
	lint.Stdin = strings.NewReader(text)
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	contains(t, nodeExporter(t, filepath.Join(m.root, "var/lib/prometheus/node-exporter")),
		"node_textfile_scrape_error 0\n", `eventsvc_exits_total{code="1-125",image="localhost/busybox:test",name="textfile"} 1`)
}

// nodeExporter returns the metrics that Debian's node_exporter reads from the textfiles
// of a directory.
func nodeExporter(t *testing.T, dir string) string {
	t.Helper()
	address := "127.0.0.1:" + freePort(t)
	cmd := exec.Command("prometheus-node-exporter", "--web.listen-address="+address, "--collector.disable-defaults", "--collector.textfile",
		"--collector.textfile.directory="+dir)
	if err := testkit.Start(cmd); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r, err := http.Get("http://" + address + "/metrics")
		if err == nil {
			text, err := io.ReadAll(r.Body)
			_ = r.Body.Close()
			if err == nil {
				return string(text)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("node_exporter does not answer: %v", err)
		}
	}
}
