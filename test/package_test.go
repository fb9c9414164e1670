package test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

func TestPackages_lintian(t *testing.T) {
	testkit.Need(t, "lintian")
	testkit.Need(t, "gcc")
	deb, err := filepath.Glob(filepath.Join(buildPackages(t, "0.1.0~test1"), "*.deb"))
	if err != nil || len(deb) != 2 {
		t.Fatalf("there are %d packages: %v", len(deb), err)
	}
	out, err := exec.Command("lintian", append([]string{"--allow-root", "--fail-on", "error,warning"}, deb...)...).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "" {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

// The description of the Cockpit page for software centres is valid AppStream data.
func TestPackages_metainfo(t *testing.T) {
	testkit.Need(t, "appstreamcli")
	out, err := exec.Command("appstreamcli", "validate", "--no-net", "--pedantic", "../dist/package/cockpit/io.github.eventsvc.cockpit.metainfo.xml").CombinedOutput()
	if err != nil {
		t.Errorf("appstreamcli: %v\n%s", err, out)
	}
}

// The packages contain the page as it is tested in the browser: compressed, except for the manifest.
func TestPackages_page(t *testing.T) {
	testkit.Need(t, "gcc")
	testkit.Need(t, "dpkg-deb")
	want, got := t.TempDir(), t.TempDir()
	output(t, "../dist/package/page.sh", want)
	output(t, "dpkg-deb", "-x", globOne(t, buildPackages(t, "0.1.0~test1"), "cockpit-eventsvc_*.deb"), got)
	output(t, "diff", "-r", want, filepath.Join(got, "usr/share/cockpit/eventsvc"))
	sources, err := filepath.Glob("../cockpit/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		name := filepath.Base(source)
		if name != "manifest.json" {
			name += ".gz"
		}
		if _, err := os.Stat(filepath.Join(want, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestPackages_reproducible(t *testing.T) {
	testkit.Need(t, "gcc")
	first := buildPackages(t, "0.1.0~test1")
	again := t.TempDir()
	cmd := exec.Command("make", "-C", "..", "packages")
	cmd.Env = append(os.Environ(), "EVENTSVC_VERSION=0.1.0~test1", "OUT="+again, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make packages: %v\n%s", err, out)
	}
	sums := func(dir string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if a, b := sums(first), sums(again); !bytes.Equal(a, b) {
		t.Errorf("two builds differ:\n%s%s", a, b)
	}
}

// Built in another directory and time zone, the static programs and the lists of their modules are the same. The program needs
// no library of the host, and its list names what is in it.
func TestStatic_reproducible(t *testing.T) {
	if found, _ := filepath.Glob("../bin/cyclonedx-gomod.v*"); len(found) == 0 && !testkit.PeersRequired() {
		t.Skip("cyclonedx-gomod is missing: run make static")
	}
	tool, err := filepath.Abs("../bin/cyclonedx-gomod")
	if err != nil {
		t.Fatal(err)
	}
	run := func(env []string, command ...string) string {
		t.Helper()
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
		return string(out)
	}
	elsewhere, first, again := t.TempDir(), t.TempDir(), t.TempDir()
	run(nil, "sh", "-c", `git -C .. ls-files -z -co --exclude-standard | tar -C .. --null -T - -c | tar -C "$1" -x`, "sh", elsewhere)
	env := []string{"EVENTSVC_VERSION=0.1.0~test1", "SOURCE_DATE_EPOCH=1700000000"}
	run(append(env, "OUT="+first), "make", "-C", "..", "static", "ARCHS=", "CYCLONEDX="+tool)
	run(append(env, "OUT="+again, "TZ=Asia/Tokyo"), "make", "-C", elsewhere, "static", "ARCHS=", "CYCLONEDX="+tool)
	run(nil, "diff", "-r", first, again)

	name := "0.1.0~test1-linux-" + runtime.GOARCH
	run(nil, "tar", "-C", again, "-xzf", filepath.Join(first, "eventsvc-"+name+".tar.gz"))
	program := filepath.Join(again, "eventsvc-"+name, "eventsvc")
	if out := run([]string{"LD_LIBRARY_PATH=/nonexistent"}, program, "--version"); !strings.Contains(out, "0.1.0~test1") {
		t.Errorf("the version is %q", out)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the program needs %q: %v", libraries, err)
	}
	list, err := os.ReadFile(filepath.Join(first, "eventsvc-"+name+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{`"std"`, `"github.com/godbus/dbus/v5"`, `"version": "0.1.0~test1"`} {
		if !bytes.Contains(list, []byte(module)) {
			t.Errorf("the list of modules lacks %s", module)
		}
	}
}

func TestPackages_configuration(t *testing.T) {
	const shipped = "../dist/eventsvc.toml"
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	// This includes every option that it only shows.
	all := filepath.Join(t.TempDir(), "all.toml")
	if err := os.WriteFile(all, regexp.MustCompile(`(?m)^#([a-z])`).ReplaceAll(text, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{shipped, all} {
		if out, err := exec.Command(binary, "serve", "--check-config", "--config", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
