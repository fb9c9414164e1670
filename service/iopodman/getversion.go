package iopodman

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// remoteAPIVersion is the version of the old interface: there was only one.
const remoteAPIVersion = 1

// GetVersion answers with the version of this service. A client refuses a reply with an
// invalid time, and prints no time for that of the epoch.
func (f *handler) GetVersion(ctx context.Context, c VarlinkCall) error {
	commit, built := buildOf(debug.ReadBuildInfo())
	return c.ReplyGetVersion(ctx, f.version, runtime.Version(), commit, built, runtime.GOOS+"/"+runtime.GOARCH, remoteAPIVersion)
}

// buildOf returns the commit that this program was built from and its time in RFC 3339,
// as far as the build recorded them.
func buildOf(info *debug.BuildInfo, ok bool) (commit, built string) {
	built = time.Unix(0, 0).UTC().Format(time.RFC3339)
	if !ok {
		return "", built
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			commit = setting.Value
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, setting.Value); err == nil {
				built = t.Format(time.RFC3339)
			}
		}
	}
	return commit, built
}
