package iopodmanautoupdate_test

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/varlink/go/varlink/idl"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/iopodmanautoupdate"
)

// The bindings are those that the contract generates, and clients get its text.
func TestBindings_areFresh(t *testing.T) {
	const contract = "../io.podman.autoupdate.varlink"
	text, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	input := filepath.Join(dir, filepath.Base(contract))
	if err := os.WriteFile(input, text, 0o600); err != nil {
		t.Fatal(err)
	}
	generator := exec.CommandContext(t.Context(), "go", "tool", "varlink-go-interface-generator", input)
	if out, err := generator.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", generator.Args, err, out)
	}
	want, err := os.ReadFile(filepath.Join(dir, "iopodmanautoupdate.go"))
	if err == nil {
		want, err = format.Source(want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("iopodmanautoupdate.go"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the bindings are stale: run go generate ./iopodmanautoupdate (%v)", err)
	}
	if iopodmanautoupdate.VarlinkNew(nil).VarlinkGetDescription() != string(text) {
		t.Error("the description that clients get is not the contract")
	}
}

// Every outcome has a word in the contract.
func TestContract_hasTheOutcomes(t *testing.T) {
	parsed, err := idl.New(iopodmanautoupdate.VarlinkNew(nil).VarlinkGetDescription())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range parsed.Aliases {
		if a.Name == "Result" {
			for _, f := range a.Type.Fields {
				got = append(got, f.Name)
			}
		}
	}
	var want []string
	for _, o := range []autoupdate.Outcome{
		autoupdate.Unchanged, autoupdate.Pending, autoupdate.Updated, autoupdate.RolledBack, autoupdate.Failed, autoupdate.Held,
		autoupdate.Deferred,
	} {
		want = append(want, strings.ReplaceAll(string(o), "-", "_"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the contract has %q, want %q", got, want)
	}
}
