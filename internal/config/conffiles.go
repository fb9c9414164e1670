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
		entries, err := os.ReadDir(env.real(dropIns))
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, refuse("list "+dropIns, cause(err), "make the directory readable for this user")
		}
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), suffix) && !entry.IsDir() {
				byName[entry.Name()] = filepath.Join(dropIns, entry.Name())
			}
		}
	}
	var files []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		files = append(files, byName[name])
	}
	return files, nil
}

// readConf reads a whole configuration file.
func readConf(env Environment, path string) ([]byte, error) {
	const advice = "make it a file that this user can read, or remove it"
	entry, err := env.stat(path)
	if err != nil {
		return nil, refuse("read "+path, cause(err), advice)
	}
	if !entry.Mode().IsRegular() && entry.Mode()&fs.ModeCharDevice == 0 {
		return nil, refuse("read "+path, errors.New("it is not a regular file"), advice)
	}
	file, err := os.Open(env.real(path))
	if err != nil {
		return nil, refuse("read "+path, cause(err), advice)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, refuse("read "+path, cause(err), advice)
	}
	if len(text) > maxFileSize {
		return nil, refuse("read "+path, errors.Errorf("it is larger than %d bytes", maxFileSize), advice)
	}
	return text, nil
}
