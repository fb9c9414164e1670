package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// host is a host made up for a test: its files, variables and Podman.
type host struct {
	// files are the contents by path; a name that ends in / is a directory, a
	// content that begins with -> a link.
	files map[string]string
	// vars are the variables of the process.
	vars map[string]string
	// user makes the process one of an ordinary user, with a runtime directory
	// in XDG_RUNTIME_DIR unless noRuntimeDir.
	user         bool
	noRuntimeDir bool
	// podman is the release that is installed, "" for none, "?" for one that
	// does not tell.
	podman string
}

// testUser returns the uid of the ordinary user: this process's own, or, where
// that is root, one that root can give files to.
func testUser() int {
	if uid := os.Getuid(); uid != 0 {
		return uid
	}
	return 1000
}

// environment writes the files below a new directory and returns the view of it.
func (h host) environment(t *testing.T) Environment {
	t.Helper()
	root := t.TempDir()
	// For withoutPrivilege: others may pass through.
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range h.files {
		writeFile(t, filepath.Join(root, path), strings.HasSuffix(path, "/"), text)
	}
	vars := map[string]string{}
	env := Environment{Root: root, Home: "/root", Getenv: func(name string) string { return vars[name] }}
	if h.user {
		env.UID, env.Home = testUser(), "/home/ann"
		if !h.noRuntimeDir {
			vars["XDG_RUNTIME_DIR"] = "/run/user/ann"
			ownDir(t, filepath.Join(root, "/run/user/ann"), 0o700)
		}
	}
	for name, value := range h.vars {
		vars[name] = value
	}
	if h.podman != "" {
		env.Podman = func() (Release, bool) { return parseRelease(h.podman), true }
	}
	return env
}

func writeFile(t *testing.T, path string, isDir bool, text string) {
	t.Helper()
	dir := filepath.Dir(path)
	if isDir {
		dir = path
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	switch target, isLink := strings.CutPrefix(text, "->"); {
	case isDir:
	case isLink:
		err = os.Symlink(target, path)
	default:
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ownDir makes a directory of testUser.
func ownDir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(path, testUser(), -1); err != nil {
			t.Fatal(err)
		}
	}
}

// lock takes all rights off a file or directory for the length of the test.
func lock(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Error(err)
		}
	})
}

// withoutPrivilege runs check on a thread that root's rights over files are
// taken from, so that modes count. The thread ends with the goroutine.
func withoutPrivilege(t *testing.T, check func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			const nobody = 65534
			if err := unix.Setfsuid(nobody); err != nil {
				t.Errorf("cannot give up root's rights over files: %v", err)
				return
			}
		}
		check()
	}()
	<-done
}

// engineFile returns a containers.conf with these lines in [engine].
func engineFile(lines ...string) string {
	return "[engine]\n" + strings.Join(lines, "\n") + "\n"
}
