package autoupdate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The labels of Podman.
const (
	LabelPolicy   = "io.containers.autoupdate"
	LabelAuthFile = "io.containers.autoupdate.authfile"
	LabelUnit     = "PODMAN_SYSTEMD_UNIT"
)

// The labels of this service.
const (
	// LabelMode is what to do about a new image: "apply" (the default), "pull"
	// (pull it, restart nothing) or "check" (report it).
	LabelMode = "io.eventsvc.autoupdate.mode"
	// LabelSettle is how long a restarted container is watched, as a Go duration.
	LabelSettle = "io.eventsvc.autoupdate.settle"
	// LabelMinAge is how long the registry must have had a digest before it is applied,
	// as a Go duration.
	LabelMinAge = "io.eventsvc.autoupdate.min-age"
	// LabelWindow is when a new image may be applied: the minutes matched by a calendar
	// event of systemd.time(7), such as "Sat *-*-* 02..04:*".
	LabelWindow = "io.eventsvc.autoupdate.window"
)

// DefaultSettle is how long a restarted container is watched.
const DefaultSettle = 10 * time.Second

// maxSettle bounds LabelSettle, so that a run ends.
const maxSettle = time.Hour

// Policy says where a new image comes from.
type Policy string

// The policies.
const (
	PolicyRegistry Policy = "registry"
	PolicyLocal    Policy = "local"
)

// Mode is what to do about a new image.
type Mode string

// The modes.
const (
	ModeApply Mode = "apply"
	ModePull  Mode = "pull"
	ModeCheck Mode = "check"
)

// Container is a running container, as Podman lists it.
type Container struct {
	// ID is the full ID.
	ID string
	// Name is the first name.
	Name string
	// Image is the name that the container was created from.
	Image string
	// ImageID is the full ID of the image that it is running.
	ImageID string
	// Pod is the ID of its pod, or empty.
	Pod string
	// Infra reports whether it is the infra container of its pod.
	Infra bool
	// Labels are its labels.
	Labels map[string]string
}

// Managed is a container that auto-update manages.
type Managed struct {
	Container
	// Unit is the systemd unit to restart.
	Unit string
	// Policy, Mode, Settle, MinAge and AuthFile are set by its labels.
	Policy   Policy
	Mode     Mode
	Settle   time.Duration
	MinAge   time.Duration
	AuthFile string
	// Window is a calendar event, or empty: at any time.
	Window string
	// Problem is why the container cannot be managed although its labels ask for it;
	// empty if it can.
	Problem string
}

// Manage returns the containers whose labels ask for updates, sorted by unit and name.
// A container with an invalid label is included, with its Problem.
func Manage(all []Container) []Managed {
	infra := make(map[string]Container) // by pod
	for _, c := range all {
		if c.Infra {
			infra[c.Pod] = c
		}
	}
	var managed []Managed
	for _, c := range all {
		word := strings.ToLower(c.Labels[LabelPolicy])
		if word == "" || word == "disabled" {
			continue
		}
		m := Managed{Container: c, Unit: c.Labels[LabelUnit], AuthFile: c.Labels[LabelAuthFile], Window: c.Labels[LabelWindow]}
		// As Podman does: a container of a pod is restarted with the pod.
		if pod, ok := infra[c.Pod]; ok && c.Pod != "" {
			m.Unit = pod.Labels[LabelUnit]
		}
		m.readLabels(word)
		managed = append(managed, m)
	}
	slices.SortFunc(managed, func(a, b Managed) int {
		return strings.Compare(a.Unit+"\x00"+a.Name, b.Unit+"\x00"+b.Name)
	})
	return managed
}

func (m *Managed) readLabels(policy string) {
	switch policy {
	case "registry", "image":
		m.Policy = PolicyRegistry
	case "local":
		m.Policy = PolicyLocal
	default:
		m.Policy = Policy(policy)
		m.Problem = fmt.Sprintf("cannot use label %s=%s: must be registry, local or disabled", LabelPolicy, policy)
		return
	}
	if m.Unit == "" {
		m.Problem = "cannot find the unit of the container: it has no label " + LabelUnit + "; start it from a Quadlet file"
		return
	}
	m.Mode = Mode(m.Labels[LabelMode])
	switch m.Mode {
	case "":
		m.Mode = ModeApply
	case ModeApply, ModePull, ModeCheck:
	default:
		m.Problem = fmt.Sprintf("cannot use label %s=%s: must be apply, pull or check", LabelMode, m.Mode)
		return
	}
	m.Settle = DefaultSettle
	for _, l := range []struct {
		name string
		into *time.Duration
		most time.Duration
	}{{LabelSettle, &m.Settle, maxSettle}, {LabelMinAge, &m.MinAge, 10 * 365 * 24 * time.Hour}} {
		text := m.Labels[l.name]
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > l.most {
			m.Problem = fmt.Sprintf("cannot use label %s=%s: must be a duration such as 30s, at most %v", l.name, text, l.most)
			return
		}
		*l.into = d
	}
}
