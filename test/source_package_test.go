package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// makeSource makes the source packages and returns the directory that they are in.
func makeSource(t *testing.T, env ...string) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.Command("make", "-C", "..", "source")
	cmd.Env = append(append(os.Environ(), "EVENTSVC_VERSION=0.1.0~test1", "OUT="+out), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make source: %v\n%s", err, text)
	}
	return out
}

// The source packages are reproducible. lintian reports nothing for Debian's. rpm accepts the spec, whose packages have the same
// dependencies as those of "make packages".
func TestSource_packages(t *testing.T) {
	for _, program := range []string{"lintian", "rpmbuild", "dpkg-source", "gcc"} {
		testkit.Need(t, program)
	}
	first, again := makeSource(t), makeSource(t, "TZ=Asia/Tokyo")
	for _, pattern := range []string{"*.tar.gz", "*.tar.xz", "*.spec", "*.dsc"} {
		found, _ := filepath.Glob(filepath.Join(first, pattern))
		if len(found) == 0 {
			t.Errorf("there is no %s", pattern)
		}
		for _, file := range found {
			a, _ := os.ReadFile(file)
			b, _ := os.ReadFile(filepath.Join(again, filepath.Base(file)))
			if !bytes.Equal(a, b) {
				t.Errorf("%s differs from one time to the next", filepath.Base(file))
			}
		}
	}
	if out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", globOne(t, first, "*.dsc")).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("lintian: %v\n%s", err, out)
	}
	for _, what := range []string{"--requires"} {
		// rpm adds interpreters of scripts and the C library when a package is built; the rest is rpm's own.
		found := regexp.MustCompile(`(?m)^(/bin/sh|rpmlib\(.*|config\(.*|libc\.so.*|rtld\(.*)\n`)
		asks := func(args ...string) []string {
			lines := strings.Split(found.ReplaceAllString(output(t, "rpm", append([]string{"-qp", what}, args...)...), ""), "\n")
			slices.Sort(lines)
			return slices.Compact(lines)
		}
		spec := strings.Split(found.ReplaceAllString(output(t, "rpmspec", "-q", what, filepath.Join(first, "eventsvc.spec")), ""), "\n")
		slices.Sort(spec)
		built := buildPackages(t, "0.1.0~test1")
		rpms, _ := filepath.Glob(filepath.Join(built, "*.rpm"))
		if got, want := slices.Compact(spec), asks(rpms...); !slices.Equal(got, want) {
			t.Errorf("%s: the spec has %q, the packages %q", what, got, want)
		}
	}
}

// The source packages build without a network, and what they build holds what the packages of "make packages" hold. It takes minutes.
func TestSource_builds(t *testing.T) {
	if !byHand() {
		t.Log("EVENTSVC_LONG=2 builds the source packages, which takes minutes")
		return
	}
	needRoot(t)
	for _, program := range []string{"lintian", "rpmbuild", "dpkg-buildpackage", "dh", "unshare", "gcc"} {
		testkit.Need(t, program)
	}
	source, built, dir := makeSource(t), buildPackages(t, "0.1.0~test1"), t.TempDir()
	cache := strings.TrimSpace(output(t, "go", "env", "GOCACHE"))
	t.Setenv("GOCACHE", cache)

	output(t, "unshare", "-n", "rpmbuild", "--quiet", "--rebuild", "--nodeps", "--define", "_topdir "+dir, "--define", "__brp_compress %{nil}",
		globOne(t, source, "*.src.rpm"))
	rpmFiles := []string{"-qp", "--queryformat", `[%{FILENAMES} %{FILEMODES:perms} %{FILEFLAGS:fflags}\n]`}
	output(t, "sh", "-c", `cd "$1" && dpkg-source -x "$2" source && cd source && unshare -n dpkg-buildpackage -us -uc -b -d`, "sh", dir, globOne(t, source, "*.dsc"))
	for _, name := range []string{"eventsvc", "cockpit-eventsvc"} {
		ours, theirs := globOne(t, built, name+"-[0-9]*.rpm"), globOne(t, filepath.Join(dir, "RPMS"), "*/"+name+"-[0-9]*.rpm")
		sameLines(t, name+".rpm", output(t, "rpm", append(rpmFiles, ours)...), output(t, "rpm", append(rpmFiles, theirs)...))
		sameLines(t, name+".rpm's scripts", output(t, "rpm", "-qp", "--scripts", ours), output(t, "rpm", "-qp", "--scripts", theirs))
		deb, fromSource := globOne(t, built, name+"_*.deb"), globOne(t, dir, name+"_*.deb")
		sameLines(t, name+".deb", debFiles(t, deb), debFiles(t, fromSource))
		for _, field := range []string{"Breaks", "Suggests", "Description"} {
			sameLines(t, name+".deb's "+field, output(t, "dpkg-deb", "-f", deb, field), output(t, "dpkg-deb", "-f", fromSource, field))
		}
		// The package is not in Debian, so no bug report asks for it.
		if out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs", fromSource).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("lintian: %v\n%s", err, out)
		}
	}
}

// debFiles lists the files of a package, except for the changelogs, which have other names in Debian.
func debFiles(t *testing.T, deb string) string {
	text := output(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -t`, "sh", deb)
	return regexp.MustCompile(`(?m)^.*(/changelog.*\.gz|/)\n`).ReplaceAllString(text, "")
}

func sameLines(t *testing.T, what, a, b string) {
	t.Helper()
	one, other := strings.Split(a, "\n"), strings.Split(b, "\n")
	slices.Sort(one)
	slices.Sort(other)
	for _, line := range one {
		if !slices.Contains(other, line) {
			t.Errorf("%s: from the source it lacks %q", what, line)
		}
	}
	for _, line := range other {
		if !slices.Contains(one, line) {
			t.Errorf("%s: from the source it has %q, too", what, line)
		}
	}
}

func globOne(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("there are %d files %s in %s: %v", len(found), pattern, dir, err)
	}
	return found[0]
}

// output runs a program that has to succeed, and returns what it prints on stdout.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, errs.Bytes())
	}
	return string(out)
}
