package config

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Release is a release of Podman: what its habits hang on. The zero value is an
// unknown one.
type Release struct {
	Major, Minor int
}

// The releases in which Podman changed a habit that matters here.
var (
	// rotationSince: the event log is rotated, events_logfile_max_size is understood.
	rotationSince = Release{4, 2}
	// overrideSince: CONTAINERS_CONF_OVERRIDE is read.
	overrideSince = Release{4, 5}
	// rootHomeSince: root reads the containers.conf in its home.
	rootHomeSince = Release{5, 0}
	// storageRunSince: without a runtime directory, rootless Podman uses
	// storage-run-UID in the temporary directory instead of podman-run-UID.
	storageRunSince = Release{5, 0}
	// rootlessConfSince: containers.rootless.conf and its drop-ins are read.
	rootlessConfSince = Release{5, 7}
	// bootedSince: systemd is recognised by its directory in /run instead of by
	// the name of process 1.
	bootedSince = Release{5, 7}
	// oneMainFileSince: only one containers.conf is read, drop-ins are sorted together.
	oneMainFileSince = Release{6, 0}

	// assumedRelease stands in where the release is not known.
	assumedRelease = Release{5, 8}
)

// has reports whether the release has a habit that came with another release.
func (r Release) has(since Release) bool {
	if r == (Release{}) {
		r = assumedRelease
	}
	return r.Major > since.Major || r.Major == since.Major && r.Minor >= since.Minor
}

// String returns the release as 4.3, or "unknown".
func (r Release) String() string {
	if r == (Release{}) {
		return "unknown"
	}
	return strconv.Itoa(r.Major) + "." + strconv.Itoa(r.Minor)
}

// releaseForm finds the release in what podman --version prints, such as
// "podman version 4.3.1" or "podman version 5.8.0-dev".
var releaseForm = regexp.MustCompile(`\b(\d{1,4})\.(\d{1,4})\b`)

// parseRelease reads the release out of a version text; the zero Release if
// there is none in it.
func parseRelease(text string) Release {
	found := releaseForm.FindStringSubmatch(text)
	if found == nil {
		return Release{}
	}
	major, errMajor := strconv.Atoi(found[1])
	minor, errMinor := strconv.Atoi(found[2])
	if errMajor != nil || errMinor != nil {
		return Release{}
	}
	return Release{major, minor}
}

// podmanPlaces are looked at where PATH does not lead to podman: the PATH of a
// service can be short.
var podmanPlaces = []string{"/usr/bin/podman", "/usr/local/bin/podman"}

// podmanPatience bounds the wait for podman --version, which takes some 25 ms.
const podmanPatience = 3 * time.Second

// installedPodman finds the podman command and asks for its release.
func installedPodman() (Release, bool) {
	for _, name := range append([]string{"podman"}, podmanPlaces...) {
		if path, err := exec.LookPath(name); err == nil {
			return askRelease(path), true
		}
	}
	return Release{}, false
}

// askRelease runs podman --version. It gives Podman an empty containers.conf,
// since it refuses to tell its version with a broken one, and that one is to be
// reported by name. A user's Podman makes directories in its home and in its
// runtime directory even for that, and refuses where there is none: it gets one
// that goes away.
func askRelease(podman string) Release {
	ctx, cancel := context.WithTimeout(context.Background(), podmanPatience)
	defer cancel()
	command := exec.CommandContext(ctx, podman, "--version")
	command.WaitDelay = podmanPatience
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, containersConf) {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, containersConf+"="+os.DevNull)
	if home, err := os.MkdirTemp("", "eventsvc-"); err == nil {
		defer os.RemoveAll(home)
		for _, variable := range []string{"HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"} {
			command.Env = append(command.Env, variable+"="+home)
		}
	}
	version, err := command.Output()
	if err != nil {
		return Release{}
	}
	return parseRelease(string(version))
}
