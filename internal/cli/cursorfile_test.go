package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A cursor file may be a link, of one's own; a link or a file of another user in a
// directory for all is refused, a link wherever it is in the path.
func TestCursorFile_ofAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a file of another user")
	}
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	shared := filepath.Join(dir, "shared")
	for _, d := range []string{target, shared} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(shared, os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	link := func(name, to string, uid int) string {
		path := filepath.Join(shared, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const stranger = 12345
	file := func(dir, name string, uid int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		path string
		want string // the file that is written, "" if the path is refused
	}{
		{link("own", "../target/a", 0), filepath.Join(target, "a")},
		{filepath.Join(link("owndir", target, 0), "b"), filepath.Join(target, "b")},
		{link("theirs", "../target/c", stranger), ""},
		{filepath.Join(link("theirdir", target, stranger), "d"), ""},
		{filepath.Join(shared, "plain"), filepath.Join(shared, "plain")},
		{file(shared, "ownfile", 0), filepath.Join(shared, "ownfile")},
		{file(shared, "theirfile", stranger), ""},
		{file(target, "given", stranger), filepath.Join(target, "given")},
	} {
		f := &cursorFile{path: test.path}
		_, err := f.read()
		if err == nil {
			err = f.write("x")
		}
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "belongs to uid 12345") {
				t.Errorf("%s: the error is %v", test.path, err)
			}
			continue
		}
		if got, _ := os.ReadFile(test.want); err != nil || string(got) != "x\n" {
			t.Errorf("%s: %s holds %q, %v", test.path, test.want, got, err)
		}
	}
}

// What a killed process left beside the file does not stay.
func TestCursorFile_leavesNothingBeside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".c.new"), []byte("left by a killed process"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &cursorFile{path: filepath.Join(dir, "c")}
	if err := f.write("x"); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("there are %v", entries)
	}
}
