package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// Each alert rule fires when it must, and only then.
func TestPrometheus_alerts(t *testing.T) {
	testkit.Need(t, "promtool")
	const rules, tests = "../dist/metrics/eventsvc-alerts.yml", "testdata/alerts.yml"
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", tests}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	tested, err := os.ReadFile(tests)
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range regexp.MustCompile(`- alert: (\w+)`).FindAllSubmatch(text, -1) {
		if n := bytes.Count(tested, append(alert[1], "\n        exp_alerts:"...)); n == 0 {
			t.Errorf("no test makes %s fire", alert[1])
		}
	}
}

// Debian's Prometheus scrapes the service while a real Podman's container crashes:
// the query of each panel of the dashboard has a result.
func TestPrometheus(t *testing.T) {
	testkit.Need(t, "prometheus")
	p := newPodman(t)
	p.run("--image")
	d := newDaemon(t, "--metrics", "127.0.0.1:"+freePort(t), "--exit-idle-time", "1s")
	d.log = p.log
	d.start()
	api := startPrometheus(t, d.dir, d.args[1])
	awaitQuery(t, api, `up`, func(values []float64) bool { return len(values) == 1 && values[0] == 1 })
	crash := func() {
		_ = p.command("run", "--rm", "--name", "web", "--network", "none", "localhost/busybox:test", "sh", "-c", "exit 3").Run()
	}
	text, err := os.ReadFile("../dist/metrics/eventsvc-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil || len(dashboard.Panels) < 8 {
		t.Fatalf("%v: %d panels", err, len(dashboard.Panels))
	}
	crash()
	// The first failure of a container is the first value of its counter.
	awaitQuery(t, api, dashboard.Panels[0].Targets[0].Expr, func(values []float64) bool { return len(values) == 1 && values[0] == 1 })
	awaitQuery(t, api, `ALERTS{alertname="ContainerFailed",name="web",alertstate="firing"}`, func(values []float64) bool { return len(values) == 1 })
	crash()
	crash()
	awaitQuery(t, api, `eventsvc_restarts_total{name="web"}`, func(values []float64) bool { return len(values) == 1 && values[0] == 2 })
	awaitQuery(t, api, `eventsvc_exits_total{name="web",image="localhost/busybox:test",code="1-125"}`,
		func(values []float64) bool { return len(values) == 1 && values[0] == 3 })

	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			t.Run(panel.Title, func(t *testing.T) {
				awaitQuery(t, api, target.Expr, func(values []float64) bool { return len(values) > 0 })
			})
		}
	}
}

// Metrics on the network show the names of containers to every host there, so that must
// be configured explicitly.
func TestMetricsAddress(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:9401":          "can be reached from the network",
		"[::]:9401":             "can be reached from the network",
		"192.0.2.1:9401":        "add ,public",
		"127.0.0.1:9401":        "",
		"[::1]:9401":            "",
		"192.0.2.1:9401,public": "",
	} {
		out, err := exec.Command(binary, "serve", "--config", "/dev/null", "--check-config", "--backend", "none", "--metrics", address).CombinedOutput()
		if want == "" && err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", address, err, out)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// startPrometheus starts a Prometheus that scrapes an address, and returns its own
// address.
func startPrometheus(t *testing.T, dir, target string) string {
	t.Helper()
	rules, err := filepath.Abs("../dist/metrics/eventsvc-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n- job_name: eventsvc\n"+
		"  static_configs: [{targets: [%q]}]\n", rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + freePort(t)
	cmd := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+address)
	out := new(testkit.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := testkit.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return "http://" + address
}

// awaitQuery queries Prometheus until the result is as expected.
func awaitQuery(t *testing.T, api, query string, holds func(values []float64) bool) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get(api + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			last = err.Error()
			continue
		}
		var result struct {
			Error string
			Data  struct {
				Result []struct{ Value [2]any }
			}
		}
		err = json.NewDecoder(answer.Body).Decode(&result)
		_ = answer.Body.Close()
		var values []float64
		for _, r := range result.Data.Result {
			var v float64
			if _, err := fmt.Sscan(fmt.Sprint(r.Value[1]), &v); err == nil {
				values = append(values, v)
			}
		}
		if last = fmt.Sprint(err, " ", result.Error, " ", values); holds(values) {
			return
		}
	}
	t.Errorf("%s: the answer is %s", query, last)
}
