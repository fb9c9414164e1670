package iopodmanevents_test

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/varlink/go/varlink/idl"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// contractFile is the contract, as it lies at the root of the repository.
const contractFile = "../io.podman.events.varlink"

func contract(t *testing.T) (text string, parsed *idl.IDL) {
	t.Helper()
	b, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err = idl.New(string(b))
	if err != nil {
		t.Fatalf("%s: %v", contractFile, err)
	}
	return string(b), parsed
}

// The bindings are those that the contract generates.
func TestBindings_generated(t *testing.T) {
	text, parsed := contract(t)
	// The generator names its output after the interface and writes it beside its input.
	dir := t.TempDir()
	input := filepath.Join(dir, filepath.Base(contractFile))
	if err := os.WriteFile(input, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	generator := exec.CommandContext(t.Context(), "go", "tool", "varlink-go-interface-generator", input)
	if out, err := generator.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", generator.Args, err, out)
	}
	name := strings.ReplaceAll(parsed.Name, ".", "") + ".go"
	want, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	// As generate.sh does: the generator formats with the go/format that it was built with.
	if want, err = format.Source(want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run 'go generate ./iopodmanevents'; the first line that differs is\n%s", name, firstDifference(got, want))
	}
}

// firstDifference returns the first lines that differ, as they are and as they
// should be.
func firstDifference(got, want []byte) string {
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			return "is     " + gotLines[i] + "\nwanted " + wantLines[i]
		}
	}
	return "is missing at the end"
}

// The bindings describe the interface as the contract does.
func TestBindings_description(t *testing.T) {
	text, parsed := contract(t)
	service := iopodmanevents.VarlinkNew(nil)
	if got := service.VarlinkGetName(); got != parsed.Name || got != "io.podman.events" {
		t.Errorf("interface is %s, in the contract %s", got, parsed.Name)
	}
	if got := service.VarlinkGetDescription(); got != text {
		t.Errorf("the description that clients get is not the contract")
	}
}

// The enums hold the words of the vocabulary.
func TestContract_enums(t *testing.T) {
	types, statuses := []string{"unknown"}, []string{"unknown"}
	for _, typ := range events.Types() {
		types = append(types, strings.ReplaceAll(string(typ), "-", "_"))
	}
	for _, status := range events.Statuses() {
		statuses = append(statuses, strings.ReplaceAll(string(status), "-", "_"))
	}
	_, parsed := contract(t)
	for name, want := range map[string][]string{"EventType": types, "EventStatus": statuses} {
		if got := enum(t, parsed, name); !slices.Equal(got, want) {
			t.Errorf("%s in %s is\n%q, the vocabulary has\n%q", name, contractFile, got, want)
		}
	}
}

// Every word of the vocabulary goes out as a member of its enum.
func TestContract_everyWord(t *testing.T) {
	_, parsed := contract(t)
	types, statuses := enum(t, parsed, "EventType"), enum(t, parsed, "EventStatus")
	for _, typ := range append(events.Types(), "gadget") {
		if !slices.Contains(types, typ.Varlink()) {
			t.Errorf("type %q goes out as %q, which EventType has not", typ, typ.Varlink())
		}
	}
	for _, status := range append(events.Statuses(), "levitate") {
		if !slices.Contains(statuses, status.Varlink()) {
			t.Errorf("status %q goes out as %q, which EventStatus has not", status, status.Varlink())
		}
	}
}

// enum returns the members of an enum.
func enum(t *testing.T, parsed *idl.IDL, name string) []string {
	t.Helper()
	for _, alias := range parsed.Aliases {
		if alias.Name == name {
			if alias.Type.Kind != idl.TypeEnum {
				t.Fatalf("%s is no enum", name)
			}
			return fields(alias.Type)
		}
	}
	t.Fatalf("there is no type %s", name)
	return nil
}

func fields(typ *idl.Type) []string {
	names := make([]string, 0, len(typ.Fields))
	for _, field := range typ.Fields {
		names = append(names, field.Name)
	}
	return names
}

var (
	declaration = regexp.MustCompile(`^(interface|type|method|error) ([A-Za-z0-9.]+)`)
	fieldLine   = regexp.MustCompile(`^ +([a-zA-Z0-9_]+)(: |,?$)`)
)

// Everything in the contract has a comment.
func TestContract_comments(t *testing.T) {
	text, parsed := contract(t)
	commented, total := 0, 0
	comment := ""
	for number, line := range strings.Split(text, "\n") {
		name := ""
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "#"):
			comment = strings.TrimSpace(strings.TrimLeft(line, " #"))
			if comment == "" {
				t.Errorf("%s:%d: an empty comment swallows the line after it in the generator", contractFile, number+1)
			}
			continue
		case declaration.MatchString(line):
			name = declaration.FindStringSubmatch(line)[2]
		case fieldLine.MatchString(line):
			name = fieldLine.FindStringSubmatch(line)[1]
		}
		if name != "" {
			total++
			if comment == "" {
				t.Errorf("%s:%d: %s has no comment", contractFile, number+1, name)
			} else {
				commented++
			}
		}
		comment = ""
	}
	// What the lines above hold has to be all that there is.
	if want := declared(parsed); total != want || commented != want {
		t.Errorf("%d names stand on a line of their own, %d have a comment; the contract has %d names", total, commented, want)
	}
}

// declared counts the names that the contract declares: the interface, types,
// methods, errors, their fields and the members of enums.
func declared(parsed *idl.IDL) int {
	count := 1 + len(parsed.Members)
	for _, alias := range parsed.Aliases {
		count += len(alias.Type.Fields)
	}
	for _, method := range parsed.Methods {
		count += len(method.In.Fields) + len(method.Out.Fields)
	}
	for _, e := range parsed.Errors {
		count += len(e.Type.Fields)
	}
	return count
}

// Streaming methods say so in the first line of their comment.
func TestContract_streamingMethods(t *testing.T) {
	_, parsed := contract(t)
	want := map[string]string{"GetEvents": "[Supports 'more' flag]", "Subscribe": "[Requires 'more' flag]"}
	for _, method := range parsed.Methods {
		first, _, _ := strings.Cut(method.Doc, "\n")
		if flag, streams := want[method.Name]; streams && first != flag {
			t.Errorf("the comment of %s begins with %q, want %q", method.Name, first, flag)
		} else if !streams && strings.Contains(method.Doc, "'more' flag]") {
			t.Errorf("%s streams: this test has to know of it", method.Name)
		}
		delete(want, method.Name)
	}
	for name := range want {
		t.Errorf("there is no method %s", name)
	}
}

// The contract keeps to what systemd's parser takes.
func TestContract_systemdParser(t *testing.T) {
	_, parsed := contract(t)
	var check func(where string, typ *idl.Type, inside bool)
	check = func(where string, typ *idl.Type, inside bool) {
		switch typ.Kind {
		case idl.TypeArray, idl.TypeMap:
			if inside {
				t.Errorf("%s: a container in a container", where)
			}
			check(where, typ.ElementType, true)
		case idl.TypeMaybe:
			check(where, typ.ElementType, inside)
		}
		for _, field := range typ.Fields {
			if strings.Contains(field.Name, "__") || strings.HasSuffix(field.Name, "_") {
				t.Errorf("%s: the name %s", where, field.Name)
			}
			if field.Type != nil {
				check(where+"."+field.Name, field.Type, inside)
			}
		}
	}
	for _, alias := range parsed.Aliases {
		if kind := alias.Type.Kind; kind != idl.TypeStruct && kind != idl.TypeEnum {
			t.Errorf("%s: a type that is neither a struct nor an enum", alias.Name)
		}
		check(alias.Name, alias.Type, false)
	}
	for _, method := range parsed.Methods {
		check(method.Name, method.In, false)
		check(method.Name, method.Out, false)
	}
	for _, e := range parsed.Errors {
		check(e.Name, e.Type, false)
	}
}
