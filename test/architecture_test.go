package test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/eventsvc/eventsvc/"

// layers are the packages from the bottom to the top: a package imports only packages of
// lower layers.
var layers = []string{
	"internal/activity internal/flags internal/jsonscan internal/jsonstring internal/limits internal/messageid internal/nanos " +
		"internal/nearest internal/rotated internal/sdjournal internal/sleep internal/version internal/visible internal/wholefile",
	"internal/config internal/eventline internal/filter internal/servicelog internal/dbuswire internal/varlinkwire",
	"events iopodmanevents iopodmanautoupdate",
	"internal/line internal/state internal/timeline client",
	"internal/store",
	"internal/store/journald internal/store/logfile internal/store/null internal/access internal/feed internal/fleet",
	"events/eventer internal/core internal/eventjson internal/metrics internal/autoupdate",
	"service dbus internal/autoupdate/calls internal/autoupdate/eventlog internal/autoupdate/podman internal/autoupdate/registry " +
		"internal/autoupdate/units",
	"service/iopodman internal/autoupdate/dbus internal/autoupdate/varlink",
	"internal/daemon internal/autoupdate/command",
	"internal/cli",
	"cmd/eventsvc cmd/eventsvc-updater",
}

// packages returns the packages of the project, without those of tests and of
// generators, and what each imports.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", buildTags, "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], module)
		if top, _, _ := strings.Cut(name, "/"); top != "test" && top != "dist" && !strings.HasSuffix(name, "/oldclient") {
			imports[name] = words[1:]
		}
	}
	return imports
}

// Every package is in one layer, and imports only packages of lower ones.
func TestArchitecture_importsPointDown(t *testing.T) {
	layerOf := make(map[string]int)
	for i, layer := range layers {
		for _, name := range strings.Fields(layer) {
			layerOf[name] = i
		}
	}
	all := packages(t)
	for name, imports := range all {
		layer, known := layerOf[name]
		if !known {
			t.Errorf("%s is in no layer", name)
		}
		for _, imported := range imports {
			if below, ours := strings.CutPrefix(imported, module); ours && layerOf[below] >= layer {
				t.Errorf("%s imports %s, which is not in a lower layer", name, below)
			}
		}
	}
	for name := range layerOf {
		if _, found := all[name]; !found {
			t.Errorf("there is no package %s", name)
		}
	}
}

// ARCHITECTURE.md names every package, and only functions that the code has.
func TestArchitecture_names(t *testing.T) {
	page, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range packages(t) {
		if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "`"+path.Base(name)+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	named := 0
	for _, row := range regexp.MustCompile("(?m)^\\| (`\\S+\\.go` `.*?) \\|").FindAllSubmatch(page, -1) {
		var dir, file string
		for _, word := range quoted.FindAllSubmatch(row[1], -1) {
			if name := string(word[1]); strings.HasSuffix(name, ".go") {
				if d := path.Dir(name); d != "." {
					dir = d
				}
				file = path.Join(dir, path.Base(name))
				continue
			} else if named++; !hasFunction(t, file, name) {
				t.Errorf("%s has no function %s", file, name)
			}
		}
	}
	if named < 30 {
		t.Errorf("only %d functions were found on the page", named)
	}
}

// hasFunction reports whether a file, named by the end of its path, has a function, or a
// method that is named with its type or without.
func hasFunction(t *testing.T, file, name string) bool {
	t.Helper()
	var found []string
	for _, dir := range []string{"../", "../internal/", "../internal/store/"} {
		matches, err := filepath.Glob(dir + file)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, matches...)
	}
	receiver, method, isMethod := strings.Cut(name, ".")
	pattern := `(?m)^func (\(\w+ \*?\w+\) )?` + regexp.QuoteMeta(name) + `[(\[]`
	if isMethod {
		pattern = `(?m)^func \(\w+ \*?` + receiver + `\) ` + method + `\(`
	}
	return slices.ContainsFunc(found, func(path string) bool {
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(pattern).Match(code)
	})
}
