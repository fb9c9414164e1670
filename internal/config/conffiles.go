package config

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pkg/errors"
)

// systemDirs are the directories for the configuration of a system service, highest
// priority first (the order of systemd.unit(5) and systemd's other manual pages).
var systemDirs = []string{"/etc", "/run", "/usr/local/lib", "/usr/lib"}

// below returns the directory of a name in each of these.
func below(dirs []string, name string) []string {
	all := make([]string, len(dirs))
	for i, dir := range dirs {
		all[i] = filepath.Join(dir, name)
	}
	return all
}

// confFiles returns the files that make up a configuration, in the order in which they
// are read; a later file wins. They are the main file of the first directory that has
// one, and then the drop-ins of all directories, sorted by name. Of drop-ins with the
// same name, the first directory's is used, so an empty one, or a link to /dev/null,
// disables the others.
func confFiles(env Environment, dirs []string, name, suffix string) ([]string, error) {
	var files []string
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := env.stat(path); err == nil || !isAbsent(err) {
			files = append(files, path)
			break
		}
	}
	later, err := dropInFiles(env, dirs, name, suffix)
	return append(files, later...), err
}

// dropInFiles returns the drop-ins of all directories, as confFiles does.
func dropInFiles(env Environment, dirs []string, name, suffix string) ([]string, error) {
	byName := map[string]string{}
	for _, dir := range slices.Backward(dirs) {
		dropIns := filepath.Join(dir, name+dropInSuffix)
		names, err := listDropIns(env, dropIns, suffix)
		if err != nil {
			return nil, refuse("list "+dropIns, cause(err), "make the directory readable for this user")
		}
		for _, name := range names {
			byName[name] = filepath.Join(dropIns, name)
		}
	}
	var files []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		files = append(files, byName[name])
	}
	return files, nil
}

// listDropIns returns the names of the files in a directory with a suffix, sorted; none
// if it does not exist.
func listDropIns(env Environment, dir, suffix string) (names []string, err error) {
	entries, err := os.ReadDir(env.real(dir))
	if isAbsent(err) {
		return nil, nil
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), suffix) && !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// readConf reads a whole configuration file.
func readConf(env Environment, path string) ([]byte, error) {
	text, err := readFile(env, path)
	if err != nil {
		return nil, refuse("read "+path, cause(err), "make it a file that this user can read, or remove it")
	}
	return text, nil
}

// readFile reads a file, unless it is one that reading may hang or not end.
func readFile(env Environment, path string) ([]byte, error) {
	entry, err := env.stat(path)
	switch {
	case err != nil:
		return nil, err
	case entry.IsDir():
		return nil, errors.New("it is a directory")
	case !entry.Mode().IsRegular() && entry.Mode()&fs.ModeCharDevice == 0:
		return nil, errors.New("it is not a regular file")
	}
	file, err := os.Open(env.real(path))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err == nil && len(text) > maxFileSize {
		err = errors.Errorf("it is larger than %d bytes", maxFileSize)
	}
	return text, err
}
