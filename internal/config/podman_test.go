package config

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// realPodman is the podman command of this machine with a store of its own.
type realPodman struct {
	dir string // holds its storage
	// namespace has it see the containers.conf of a tree instead of the machine's.
	namespace string
	vars      []string
}

// needPodman skips the test where Podman is missing.
func needPodman(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("podman is not installed: install it to compare our answers with its own")
	}
	podman := realPodman{dir: shortDir(t), vars: []string{containersConf + "=" + os.DevNull}}
	_, err := podman.run(t, "--tmpdir", filepath.Join(podman.dir, "tmp"), "info")
	switch {
	case err != nil && os.Getuid() != 0:
		t.Skipf("podman does not work for this user: %v; run the test as root, or give the user subordinate ids", err)
	case err != nil:
		t.Fatal(err)
	}
}

// shortDir is t.TempDir for Podman, which refuses a runroot of more than 50 characters.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "podman") //nolint:usetesting // The names that t.TempDir makes are too long.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// run runs podman with its private store and returns what it prints.
func (p realPodman) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	args = append([]string{
		"podman", "--storage-driver", "vfs", "--root", filepath.Join(p.dir, "root"), "--runroot", filepath.Join(p.dir, "runroot"),
	}, args...)
	if p.namespace != "" {
		const script = `mount --bind "$0/usr/share/containers" /usr/share/containers && mount --bind "$0/etc/containers" /etc/containers && exec "$@"`
		args = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", script, p.namespace}, args...)
	}
	command := exec.Command(args[0], args[1:]...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, containersConf) && !strings.HasPrefix(variable, "XDG_CONFIG_HOME=") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, p.vars...)
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	err := command.Run()
	if err != nil {
		t.Logf("podman says: %s", complaints.String())
	}
	return strings.TrimSpace(output.String()), err
}

// compare asks Podman and us about the same host, and looks whether an event of
// Podman's comes to the log that we found.
func (p realPodman) compare(t *testing.T, env Environment) {
	t.Helper()
	store, err := Discover(env)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", strings.Join(store.Because, "\n"))
	logger, err := p.run(t, "info", "--format", "{{.Host.EventLogger}}")
	if err != nil {
		t.Fatal(err)
	}
	if logger != store.Backend {
		t.Errorf("podman uses %q, we found %q", logger, store.Backend)
	}
	if store.Backend != File {
		return
	}
	if _, err := p.run(t, "volume", "create", "witness"); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(store.Path)
	if err != nil || !strings.Contains(string(log), "witness") {
		t.Errorf("podman's event is not in %s: %q, %v", store.Path, log, err)
	}
}

func TestPodmanAgreesOnCONTAINERS_CONF(t *testing.T) {
	needPodman(t)
	for name, lines := range map[string][]string{
		"The default backend, with a tmp_dir":       {`tmp_dir = "DIR/tmp"`},
		"The file, with a tmp_dir":                  {`events_logger = "file"`, `tmp_dir = "DIR/tmp"`},
		"The file in capitals, with a path":         {`events_logger = "FILE"`, `events_logfile_path = "DIR/log/my.log"`, `tmp_dir = "DIR/tmp"`},
		"Names in another case":                     {`Events_Logger = "file"`, `Events_LogFile_Path = "DIR/log/my.log"`, `tmp_dir = "DIR/tmp"`},
		"A size as a number":                        {`events_logger = "file"`, `events_logfile_max_size = 5000`, `tmp_dir = "DIR/tmp"`},
		"A size as a string":                        {`events_logger = "file"`, `events_logfile_max_size = "1.5 MiB"`, `tmp_dir = "DIR/tmp"`},
		"No events":                                 {`events_logger = "none"`, `tmp_dir = "DIR/tmp"`},
		"A path that an empty string is no path of": {`events_logger = "file"`, `events_logfile_path = ""`, `tmp_dir = "DIR/tmp"`},
	} {
		t.Run(name, func(t *testing.T) {
			podman := realPodman{dir: shortDir(t)}
			conf := filepath.Join(podman.dir, "containers.conf")
			writeFile(t, conf, false, strings.ReplaceAll(engineFile(lines...), "DIR", podman.dir))
			podman.vars = []string{containersConf + "=" + conf}
			env := Host()
			env.Getenv = only(map[string]string{containersConf: conf})
			podman.compare(t, env)
		})
	}
}

func TestPodman_refusesTheSame(t *testing.T) {
	needPodman(t)
	for name, text := range map[string]string{
		"A malformed file":           "[engine\n",
		"An unknown backend":         engineFile(`events_logger = "fiile"`),
		"A backend that is a number": engineFile(`events_logger = 3`),
		"A path that is a boolean":   engineFile(`events_logfile_path = true`),
		"A size that is a boolean":   engineFile(`events_logfile_max_size = true`),
		"A size that is no size":     engineFile(`events_logfile_max_size = "1mm"`),
		"A negative size":            engineFile(`events_logfile_max_size = "-1"`),
		"A relative tmp_dir":         engineFile(`tmp_dir = "tmp"`),
		"An engine that is no table": "engine = 3\n",
	} {
		t.Run(name, func(t *testing.T) {
			podman := realPodman{dir: shortDir(t)}
			conf := filepath.Join(podman.dir, "containers.conf")
			writeFile(t, conf, false, text)
			env := Host()
			env.Getenv = only(map[string]string{containersConf: conf})
			if store, err := Discover(env); err == nil {
				t.Errorf("we find %+v", store)
			}
			podman.vars = []string{containersConf + "=" + conf}
			if info, err := podman.run(t, "--tmpdir", filepath.Join(podman.dir, "tmp"), "info", "--format", "{{.Host.EventLogger}}"); err == nil && info != "" {
				t.Errorf("podman takes it and uses %q", info)
			}
		})
	}
}

// TestPodman_sameOrder has Podman see the files of a tree in the
// places of the machine's, in a mount namespace of its own.
func TestPodman_sameOrder(t *testing.T) {
	needPodman(t)
	if os.Getuid() != 0 {
		t.Skip("only root can put other files in the place of /etc/containers: run the test as root")
	}
	if err := exec.Command("unshare", "--mount", "true").Run(); err != nil {
		t.Skipf("this machine does not allow a mount namespace: %v", err)
	}
	const (
		usr    = "/usr/share/containers/containers.conf"
		usrD   = "/usr/share/containers/containers.conf.d/"
		etc    = "/etc/containers/containers.conf"
		etcD   = "/etc/containers/containers.conf.d/"
		ful    = "/etc/containers/containers.rootful.conf.d/"
		root   = "/home/.config/containers/containers.conf"
		over   = "/override.conf"
		named  = "/named.conf"
		first  = `events_logfile_path = "DIR/log/first"`
		second = `events_logfile_path = "DIR/log/second"`
		third  = `events_logfile_path = "DIR/log/third"`
	)
	base := engineFile(`events_logger = "file"`, `tmp_dir = "DIR/tmp"`, first)
	for name, test := range map[string]struct {
		files map[string]string
		vars  map[string]string
	}{
		"The vendor's file":                         {map[string]string{usr: base}, nil},
		"The administrator's file wins":             {map[string]string{usr: base, etc: engineFile(second)}, nil},
		"The administrator's file alone":            {map[string]string{etc: base}, nil},
		"Drop-ins win, by name":                     {map[string]string{usr: base, etc: engineFile(second), etcD + "b.conf": engineFile(third), etcD + "a.conf": engineFile(second)}, nil},
		"Drop-ins need their suffix":                {map[string]string{usr: base, etcD + "a.config": engineFile(second)}, nil},
		"A directory among the drop-ins":            {map[string]string{usr: base, etcD + "a.conf/b.conf": engineFile(second)}, nil},
		"A link among the drop-ins":                 {map[string]string{usr: base, etcD + "a.conf": "->../a", "/etc/containers/a": engineFile(second)}, nil},
		"The vendor's drop-ins":                     {map[string]string{usr: base, usrD + "a.conf": engineFile(second)}, nil},
		"Drop-ins for root":                         {map[string]string{usr: base, ful + "a.conf": engineFile(second)}, nil},
		"Root's own file":                           {map[string]string{usr: base, root: engineFile(second)}, nil},
		"Root's own drop-ins":                       {map[string]string{usr: base, root + ".d/x.conf": engineFile(second)}, nil},
		"A name that both have among the drop-ins":  {map[string]string{usr: base, usrD + "a.conf": engineFile(`events_logfile_max_size = 1`, second), etcD + "a.conf": engineFile(third), usrD + "b.conf": engineFile(`events_logfile_max_size = 2`)}, nil},
		"An empty path in a later file":             {map[string]string{usr: base, etc: engineFile(`events_logfile_path = ""`)}, nil},
		"The variable replaces all":                 {map[string]string{usr: engineFile(second), named: base}, map[string]string{containersConf: named}},
		"The override comes last, if it is known":   {map[string]string{usr: base, etcD + "a.conf": engineFile(second), over: engineFile(third)}, map[string]string{containersConfOverride: over}},
		"The override comes after the variable too": {map[string]string{named: base, over: engineFile(third)}, map[string]string{containersConf: named, containersConfOverride: over}},
	} {
		t.Run(name, func(t *testing.T) {
			tree := t.TempDir()
			podman := realPodman{dir: shortDir(t), namespace: tree}
			for path, text := range test.files {
				writeFile(t, filepath.Join(tree, path), false, strings.ReplaceAll(text, "DIR", podman.dir))
			}
			for _, dir := range []string{filepath.Dir(usr), filepath.Dir(etc), "/home"} {
				writeFile(t, filepath.Join(tree, dir), true, "")
			}
			podman.vars = []string{"HOME=" + filepath.Join(tree, "home")}
			for variable, path := range test.vars {
				podman.vars = append(podman.vars, variable+"="+filepath.Join(tree, path))
			}
			podman.compare(t, Environment{Root: tree, Home: "/home", Getenv: only(test.vars), Podman: installedPodman})
		})
	}
}

// only is a Getenv for these variables.
func only(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestHost_podman(t *testing.T) {
	needPodman(t)
	output, err := exec.Command("podman", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	release, installed := Host().Podman()
	if !installed || release == (Release{}) || !strings.Contains(string(output), release.String()+".") {
		t.Errorf("found %v %t where podman says %s", release, installed, output)
	}
	t.Setenv(containersConf, filepath.Join(t.TempDir(), "nowhere"))
	if again, _ := Host().Podman(); again != release {
		t.Errorf("with a broken containers.conf the release is %v", again)
	}
}
