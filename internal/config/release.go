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

// Release is a release of Podman, which determines what it does. The zero value is an
// unknown one.
type Release struct {
	Major, Minor int
}

// The releases in which Podman changed something that matters here.
var (
	// rotationSince: the event log is rotated, and events_logfile_max_size is read.
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
	// bootedSince: systemd is detected by its directory in /run instead of by the
	// name of process 1.
	bootedSince = Release{5, 7}
	// oneMainFileSince: only one containers.conf is read, and drop-ins are sorted
	// together.
	oneMainFileSince = Release{6, 0}

	// assumedRelease is used where the release is unknown.
	assumedRelease = Release{5, 8}
)

// has reports whether the release includes a change made in another release.
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

// releaseForm matches the release in the output of podman --version, such as "podman
// version 4.3.1" or "podman version 5.8.0-dev".
var releaseForm = regexp.MustCompile(`\b(\d{1,4})\.(\d{1,4})\b`)

// parseRelease finds the release in a version text; the zero Release if there is none.
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

// podmanPlaces are tried where podman is not in PATH: the PATH of a service can be
// short.
var podmanPlaces = []string{"/usr/bin/podman", "/usr/local/bin/podman"}

// podmanPatience bounds the wait for podman --version, which takes some 25 ms.
const podmanPatience = 3 * time.Second

// installedPodman finds the podman command and its release.
func installedPodman() (Release, bool) {
	for _, name := range append([]string{"podman"}, podmanPlaces...) {
		if path, err := exec.LookPath(name); err == nil {
			return askRelease(path), true
		}
	}
	return Release{}, false
}

// askRelease runs podman --version. It gives Podman an empty containers.conf, since
// with a broken one podman refuses to print its version, and the broken one is reported
// elsewhere with its name. Even for this, a user's Podman creates directories in its
// home and runtime directory, and fails where there is none: it gets a temporary one.
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
