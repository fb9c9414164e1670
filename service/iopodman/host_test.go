package iopodman

import (
	"runtime/debug"
	"testing"
	"testing/fstest"
	"time"
)

func TestGetVersion_build(t *testing.T) {
	vcs := func(revision, at string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.time", Value: at}}}
	}
	for _, test := range []struct {
		info          *debug.BuildInfo
		ok            bool
		commit, built string
	}{
		{nil, false, "", "1970-01-01T00:00:00Z"},
		{&debug.BuildInfo{}, true, "", "1970-01-01T00:00:00Z"},
		{vcs("abc", "2026-11-23T12:00:00Z"), true, "abc", "2026-11-23T12:00:00Z"},
		{vcs("abc", "yesterday"), true, "abc", "1970-01-01T00:00:00Z"},
	} {
		if commit, built := buildOf(test.info, test.ok); commit != test.commit || built != test.built {
			t.Errorf("%+v: %q, %q", test, commit, built)
		}
	}
}

// The distribution is found where it is.
func TestHost_distribution(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, test := range []struct {
		root fstest.MapFS
		want InfoDistribution
	}{
		{fstest.MapFS{}, InfoDistribution{}},
		{fstest.MapFS{"etc/os-release": file("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n")}, InfoDistribution{"debian", "12"}},
		{fstest.MapFS{"usr/lib/os-release": file("# a comment\n\n ID='fedora' \nVERSION_ID=32")}, InfoDistribution{"fedora", "32"}},
		{fstest.MapFS{"etc/os-release": file(`ID="a\"b\$"` + "\nID_LIKE=x\n=\n")}, InfoDistribution{`a"b$`, ""}},
	} {
		if got := distributionOf(test.root); got != test.want {
			t.Errorf("%+v, want %+v", got, test.want)
		}
	}
}

// An uptime reads as in Podman.
func TestHost_uptime(t *testing.T) {
	for up, want := range map[time.Duration]string{
		0: "0h 0m 0s", 59*time.Minute + 7*time.Second: "0h 59m 7s", 36*time.Hour + time.Minute: "36h 1m 0s (Approximately 1.50 days)",
	} {
		if got := uptimeText(up); got != want {
			t.Errorf("%s is %q, want %q", up, got, want)
		}
	}
}
