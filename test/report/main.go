// Command report reads what 'go test -json' prints and prints it as 'go test' does,
// with the skipped tests and the reasons at the end: a test that did not run proves
// nothing. Its exit code is 1 if a test failed or did not end.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is a line of go test -json (go doc cmd/test2json).
type event struct {
	Action, Package, ImportPath, Test, Output string
}

func main() {
	failed, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot read the results of the tests:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// report copies results, and adds the summary. failed is set if some test failed or did
// not end.
func report(from io.Reader, to io.Writer) (failed bool, err error) {
	type name struct{ pkg, test string }
	output := map[name]*strings.Builder{}
	skipped := map[string][]string{} // tests by reason
	running := map[string]bool{}     // packages
	passed, failures := 0, 0
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return true, err
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			_, _ = to.Write(line) // of the go command itself
			failed = true
			continue
		}
		n := name{e.Package, e.Test}
		switch e.Action {
		case "start":
			running[e.Package] = true
		case "build-output":
			fmt.Fprint(to, e.Output)
		case "build-fail":
			failed = true
		case "output":
			if output[n] == nil {
				output[n] = new(strings.Builder)
			}
			output[n].WriteString(e.Output)
		case "pass", "fail", "skip":
			var text string
			if output[n] != nil {
				text = output[n].String()
			}
			delete(output, n)
			if e.Test == "" {
				delete(running, e.Package)
			}
			switch {
			case e.Action == "fail" && e.Test != "":
				failed = true
				failures++
				fmt.Fprint(to, text)
			case e.Action == "fail":
				failed = true
				for of, text := range output { // of tests that a panic ended
					if of.pkg == e.Package {
						fmt.Fprint(to, text)
						delete(output, of)
					}
				}
				fmt.Fprint(to, text)
			case e.Test == "":
				fmt.Fprint(to, lastLine(text))
			case e.Action == "pass":
				passed++
			default:
				skipped[reason(text)] = append(skipped[reason(text)], e.Test)
			}
		}
	}
	for pkg := range running { // the go command was killed
		failed = true
		fmt.Fprintf(to, "FAIL\t%s [did not end]\n", pkg)
	}
	summarize(to, passed, failures, skipped)
	return failed, nil
}

func lastLine(text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	return strings.TrimSuffix(lines[len(lines)-1], "\n") + "\n"
}

// place matches the position before a test's message.
var place = regexp.MustCompile(`^\s+\S+\.go:\d+: `)

// reason returns why a test was skipped: its last message.
func reason(output string) string {
	why := "it does not say why"
	for line := range strings.Lines(output) {
		if at := place.FindString(line); at != "" {
			why = strings.TrimSpace(line[len(at):])
		}
	}
	return why
}

// summarize prints how many tests ran, and which did not.
func summarize(to io.Writer, passed, failures int, skipped map[string][]string) {
	count, reasons := 0, []string{}
	for why, tests := range skipped {
		count += len(tests)
		reasons = append(reasons, why)
	}
	fmt.Fprintf(to, "\n%d tests passed, %d failed, %d skipped\n", passed, failures, count)
	slices.SortFunc(reasons, func(a, b string) int {
		if more := len(skipped[b]) - len(skipped[a]); more != 0 {
			return more
		}
		return strings.Compare(a, b)
	})
	const named = 3
	for _, why := range reasons {
		tests := skipped[why]
		more := ""
		if len(tests) > named {
			more = fmt.Sprintf(" and %d more", len(tests)-named)
		}
		fmt.Fprintf(to, "  %3d skipped: %s (%s%s)\n", len(tests), why, strings.Join(tests[:min(named, len(tests))], ", "), more)
	}
}
