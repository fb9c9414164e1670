package main

import (
	"strings"
	"testing"
)

// The report has the failures in full, what was skipped with the reason, and
// fails if a test failed, did not build or did not end.
func TestReport(t *testing.T) {
	const (
		start = `{"Action":"start","Package":"p"}` + "\n"
		pass  = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: noise\n"}` + "\n" + `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n"
		skip  = `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:12: podman is not installed\n"}` + "\n" +
			`{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}` + "\n" + `{"Action":"skip","Package":"p","Test":"TestB"}` + "\n"
		fail = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:3: broken\n"}` + "\n" + `{"Action":"fail","Package":"p","Test":"TestC"}` + "\n"
		end  = `{"Action":"output","Package":"p","Output":"PASS\n"}` + "\n" + `{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}` + "\n" +
			`{"Action":"pass","Package":"p"}` + "\n"
		failEnd = `{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}` + "\n" + `{"Action":"fail","Package":"p"}` + "\n"
	)
	for _, test := range []struct {
		name, in, want string
		failed         bool
	}{
		{"Passed and skipped", start + pass + skip + end, "ok  \tp\t0.1s\n\n1 tests passed, 0 failed, 1 skipped\n    1 skipped: podman is not installed (TestB)\n", false},
		{"Failed", start + pass + fail + failEnd, "    c_test.go:3: broken\nFAIL\tp\t0.1s\n\n1 tests passed, 1 failed, 0 skipped\n", true},
		{"Did not build", `{"Action":"build-output","ImportPath":"p","Output":"a.go:1: no\n"}` + "\n" + `{"Action":"build-fail","ImportPath":"p"}` + "\n", "a.go:1: no\n\n0 tests passed, 0 failed, 0 skipped\n", true},
		{"Did not end", start + pass, "FAIL\tp [did not end]\n\n1 tests passed, 0 failed, 0 skipped\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			failed, err := report(strings.NewReader(test.in), &out)
			if err != nil || failed != test.failed || out.String() != test.want {
				t.Errorf("it printed\n%s\nwant\n%s\nfailed: %v, %v", out.String(), test.want, failed, err)
			}
		})
	}
}
