// Package podman runs the program podman, of any version from 4.3 on, by its command
// line. Each call has a deadline, so that a podman that hangs fails only one step.
package podman

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// The deadlines of one call.
const (
	queryTime = time.Minute
	pullTime  = 15 * time.Minute
)

// Program is this user's podman.
type Program struct {
	// Path is the program's path; empty: podman in $PATH.
	Path string
	// Limit is the deadline of each call; 0: a minute, and 15 for a pull.
	Limit time.Duration
}

var _ autoupdate.Podman = Program{}

// run runs podman and returns its output.
func (p Program) run(ctx context.Context, limit time.Duration, arguments ...string) ([]byte, error) {
	path := p.Path
	if path == "" {
		path = "podman"
	}
	if p.Limit > 0 {
		limit = p.Limit
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(ctx, path, arguments...)
	// The whole process group is killed, children included. It dies with this process,
	// so that a killed run leaves no pull behind.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 2 * time.Second
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if err == nil {
		return stdout.Bytes(), nil
	}
	if caller.Err() != nil {
		return nil, errors.Wrapf(caller.Err(), "cannot run podman %s", arguments[0])
	}
	if ctx.Err() != nil {
		return nil, errors.Errorf("cannot run podman %s: no answer in %v", arguments[0], limit)
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return stdout.Bytes(), errors.Errorf("cannot run podman %s: %s", arguments[0], strings.TrimPrefix(last, "Error: "))
	}
	return stdout.Bytes(), errors.Wrapf(err, "cannot run podman %s", arguments[0])
}

// query runs podman for JSON. what names the output in errors.
func query[T any](ctx context.Context, p Program, what string, arguments ...string) (rows []T, err error) {
	out, err := p.run(ctx, queryTime, arguments...)
	if err != nil && (arguments[1] != "inspect" || !absent(out, err)) {
		return nil, err
	}
	return rows, errors.Wrapf(json.Unmarshal(out, &rows), "cannot read the output of podman %s", what)
}

// Containers lists the running containers.
func (p Program) Containers(ctx context.Context) ([]autoupdate.Container, error) {
	type row struct {
		ID      string `json:"Id"`
		Names   []string
		Image   string
		ImageID string
		Pod     string
		IsInfra bool
		Labels  map[string]string
	}
	rows, err := query[row](ctx, p, "ps", "ps", "--no-trunc", "--format", "json")
	if err != nil {
		return nil, err
	}
	all := make([]autoupdate.Container, 0, len(rows))
	for _, r := range rows {
		c := autoupdate.Container{ID: r.ID, Image: r.Image, ImageID: r.ImageID, Pod: r.Pod, Infra: r.IsInfra, Labels: r.Labels}
		if len(r.Names) > 0 {
			c.Name = r.Names[0]
		}
		all = append(all, c)
	}
	return all, nil
}

// Inspect returns the states of containers.
func (p Program) Inspect(ctx context.Context, names ...string) ([]autoupdate.ContainerState, error) {
	type row struct {
		ID        string `json:"Id"`
		Name      string
		ImageName string
		Image     string
		Config    struct {
			Labels      map[string]string
			Healthcheck *struct{ Test []string }
		}
		State struct {
			Running bool
			Health  *struct{ Status string }
			// Before Podman 4.4.
			Healthcheck *struct{ Status string }
		}
	}
	rows, err := query[row](ctx, p, "inspect", append([]string{"container", "inspect"}, names...)...)
	if err != nil {
		return nil, err
	}
	var all []autoupdate.ContainerState
	for _, r := range rows {
		s := autoupdate.ContainerState{
			Container: autoupdate.Container{ID: r.ID, Name: r.Name, Image: r.ImageName, ImageID: r.Image, Labels: r.Config.Labels},
			Running:   r.State.Running,
		}
		if h := r.Config.Healthcheck; h != nil && len(h.Test) > 0 && h.Test[0] != "NONE" {
			s.HasHealthCheck = true
		}
		if r.State.Health != nil {
			s.Health = r.State.Health.Status
		} else if r.State.Healthcheck != nil {
			s.Health = r.State.Healthcheck.Status
		}
		all = append(all, s)
	}
	return all, nil
}

// Images returns images by name or ID.
func (p Program) Images(ctx context.Context, names ...string) ([]autoupdate.Image, error) {
	type row struct {
		ID           string `json:"Id"`
		Digest       string
		RepoDigests  []string
		Os           string
		Architecture string
		Variant      string
	}
	rows, err := query[row](ctx, p, "image inspect", append([]string{"image", "inspect"}, names...)...)
	if err != nil {
		return nil, err
	}
	var all []autoupdate.Image
	for _, r := range rows {
		i := autoupdate.Image{ID: r.ID, OS: r.Os, Architecture: r.Architecture, Variant: r.Variant}
		for _, d := range append(r.RepoDigests, "@"+r.Digest) {
			if _, d, ok := strings.Cut(d, "@"); ok && d != "" {
				i.Digests = append(i.Digests, d)
			}
		}
		all = append(all, i)
	}
	return all, nil
}

// absent reports whether inspect failed only because something does not exist; it
// prints the others all the same.
func absent(out []byte, err error) bool {
	return len(out) > 0 && (strings.Contains(err.Error(), "no such") || strings.Contains(err.Error(), "not known"))
}

// Pull pulls an image by its name.
func (p Program) Pull(ctx context.Context, name, authFile string) error {
	arguments := []string{"pull", "--quiet"}
	if authFile != "" {
		arguments = append(arguments, "--authfile", authFile)
	}
	_, err := p.run(ctx, pullTime, append(arguments, name)...)
	return err
}

// Tag gives an image a name.
func (p Program) Tag(ctx context.Context, id, name string) error {
	_, err := p.run(ctx, queryTime, "tag", id, name)
	return err
}

// FreeBytes returns the free space where images are stored. With a container it checks
// where that one has its files, since "podman info" asks every program that Podman uses
// for its version.
func (p Program) FreeBytes(ctx context.Context, container string) (uint64, error) {
	arguments := []string{"container", "inspect", "--format", "{{.StaticDir}}", container}
	if container == "" {
		arguments = []string{"info", "--format", "{{.Store.GraphRoot}}"}
	}
	out, err := p.run(ctx, queryTime, arguments...)
	if err != nil && container != "" { // it may have been removed
		return p.FreeBytes(ctx, "")
	}
	if err != nil {
		return 0, err
	}
	var st unix.Statfs_t
	root := strings.TrimSpace(string(out))
	if err := unix.Statfs(root, &st); err != nil {
		return 0, errors.Wrapf(err, "cannot see how much room %s has", root)
	}
	return st.Bavail * uint64(st.Bsize), nil
}
