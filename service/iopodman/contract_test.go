package iopodman_test

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/varlink/go/varlink/idl"

	"github.com/eventsvc/eventsvc/service/iopodman"
	"github.com/eventsvc/eventsvc/test/testkit"
)

const descriptionFile = "io.podman.varlink"

func description(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(descriptionFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The bindings are those that the description generates.
func TestBindings_generated(t *testing.T) {
	// The generator writes beside its input.
	dir := t.TempDir()
	input := filepath.Join(dir, descriptionFile)
	if err := os.WriteFile(input, []byte(description(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	generator := exec.CommandContext(t.Context(), "go", "tool", "varlink-go-interface-generator", input)
	if out, err := generator.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", generator.Args, err, out)
	}
	want, err := os.ReadFile(filepath.Join(dir, "iopodman.go"))
	if err != nil {
		t.Fatal(err)
	}
	// As generate.sh does: the generator formats with the go/format that it was built with.
	if want, err = format.Source(want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("iopodman.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("iopodman.go is stale: run 'go generate ./service/iopodman'")
	}
}

func TestBindings_description(t *testing.T) {
	bindings := iopodman.VarlinkNew(nil)
	if name := bindings.VarlinkGetName(); name != "io.podman" {
		t.Errorf("interface is %s", name)
	}
	if bindings.VarlinkGetDescription() != description(t) {
		t.Errorf("the description that clients get is not %s", descriptionFile)
	}
	r := newRig(t)
	got := r.raw().ask(`{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.podman"}}`)
	if !strings.Contains(got, `interface io.podman\n`) {
		t.Errorf("description is %s", got)
	}
}

var (
	declaration = regexp.MustCompile(`^(interface|type|method|error) ([A-Za-z0-9.]+)`)
	fieldLine   = regexp.MustCompile(`^ +([a-zA-Z0-9_]+)(: |,?$)`)
)

// Everything in the description has a comment.
func TestContract_comments(t *testing.T) {
	parsed, err := idl.New(description(t))
	if err != nil {
		t.Fatal(err)
	}
	commented, comment := 0, ""
	for number, line := range strings.Split(description(t), "\n") {
		name := ""
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "#"):
			comment = strings.Trim(line, " #")
			continue
		case declaration.MatchString(line):
			name = declaration.FindStringSubmatch(line)[2]
		case fieldLine.MatchString(line):
			name = fieldLine.FindStringSubmatch(line)[1]
		}
		switch {
		case name != "" && comment == "":
			t.Errorf("%s:%d: %s has no comment", descriptionFile, number+1, name)
		case name != "":
			commented++
		}
		comment = ""
	}
	want := 1 + len(parsed.Members)
	for _, alias := range parsed.Aliases {
		want += len(alias.Type.Fields)
	}
	for _, method := range parsed.Methods {
		want += len(method.In.Fields) + len(method.Out.Fields)
	}
	for _, e := range parsed.Errors {
		want += len(e.Type.Fields)
	}
	if commented != want {
		t.Errorf("%d names have a comment, the description has %d", commented, want)
	}
}

func TestContract_varlinkctl(t *testing.T) {
	script := "../../test/peers/varlinkctl.sh"
	out, err := exec.CommandContext(t.Context(), script, "validate-idl", descriptionFile).CombinedOutput()
	if err == nil {
		return
	}
	if bytes.Contains(out, []byte("there is no complete Debian tree")) {
		testkit.Missing(t, "varlinkctl", "test/peers/trixie.sh")
	}
	t.Errorf("%v\n%s", err, out)
}
