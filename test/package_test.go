package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

func TestLintianHasNothingToSay(t *testing.T) {
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

func TestPackagesAreReproducible(t *testing.T) {
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

func TestTheShippedConfigurationIsUnderstood(t *testing.T) {
	const shipped = "../dist/eventsvc.toml"
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	// Every option that it only shows, too.
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
