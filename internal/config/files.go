package config

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pkg/errors"
)

// The variables that name containers.conf files, and the places they replace.
const (
	containersConf         = "CONTAINERS_CONF"
	containersConfOverride = "CONTAINERS_CONF_OVERRIDE"

	vendorDir = "/usr/share/containers"
	adminDir  = "/etc/containers"

	mainFile     = "containers.conf"
	rootlessFile = "containers.rootless.conf"
	rootfulFile  = "containers.rootful.conf"

	dropInSuffix = ".d"
	confSuffix   = ".conf"
)

// maxFileSize bounds a containers.conf, in bytes. Real ones have some 30 kB.
const maxFileSize = 1 << 20

// source is one containers.conf to be read.
type source struct {
	path string
	// named: a variable names the file, so it must exist.
	named bool
	// shy: root's own file at home. A sandboxed service (ProtectHome=) cannot see it,
	// and must start nevertheless.
	shy bool
}

// sources returns the files that a release of Podman reads, in its order. Some of them
// may not exist.
func sources(env Environment, release Release) ([]source, error) {
	var list []source
	var err error
	named, err := env.pathVariable(containersConf)
	switch {
	case err != nil:
		return nil, err
	case named != "":
		list = []source{{path: named, named: true}}
	case release.has(oneMainFileSince):
		list, err = sourcesByName(env)
	default:
		list, err = sourcesByPlace(env, release)
	}
	if err != nil {
		return nil, err
	}
	if !release.has(overrideSince) {
		return list, nil
	}
	override, err := env.pathVariable(containersConfOverride)
	if err != nil {
		return nil, err
	}
	if override != "" {
		list = append(list, source{path: override, named: true})
	}
	return list, nil
}

// place is a main configuration file and the directories of its drop-ins.
type place struct {
	file    string
	dropIns []string
	shy     bool
}

// sourcesByPlace is the order up to Podman 5: place after place, each with its main
// file and then its drop-ins.
func sourcesByPlace(env Environment, release Release) ([]source, error) {
	admin := filepath.Join(adminDir, mainFile)
	places := []place{
		{file: filepath.Join(vendorDir, mainFile)},
		{file: admin, dropIns: []string{admin + dropInSuffix}},
	}
	if env.rootless() && release.has(rootlessConfSince) {
		file := filepath.Join(adminDir, rootlessFile)
		places = append(places, place{file: file, dropIns: []string{file + dropInSuffix, userDropIns(env, file)}})
	}
	home, err := userFile(env)
	if err != nil {
		return nil, err
	}
	if home != "" && (env.rootless() || release.has(rootHomeSince)) {
		places = append(places, place{file: home, dropIns: []string{home + dropInSuffix}, shy: !env.rootless()})
	}

	var list []source
	for _, place := range places {
		list = append(list, source{path: place.file, shy: place.shy})
		for _, dir := range place.dropIns {
			names, err := listDropIns(env, dir, place.shy)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				list = append(list, source{path: filepath.Join(dir, name), shy: place.shy})
			}
		}
	}
	return list, nil
}

// sourcesByName is the order since Podman 6: one main file, then all drop-ins by name.
func sourcesByName(env Environment) ([]source, error) {
	home, err := userFile(env)
	if err != nil {
		return nil, err
	}
	var list []source
	for _, path := range []string{home, filepath.Join(adminDir, mainFile), filepath.Join(vendorDir, mainFile)} {
		if path == "" {
			continue
		}
		_, err := env.stat(path)
		if isAbsent(err) {
			continue
		}
		file := source{path: path, shy: path == home && !env.rootless()}
		list = append(list, file)
		if !file.shy || !errors.Is(err, fs.ErrPermission) {
			break
		}
	}
	dropIns, err := dropInsByName(env, home)
	return append(list, dropIns...), err
}

// dropInsByName returns the drop-ins of all places, sorted by name; of those with the
// same name, the last place's.
func dropInsByName(env Environment, home string) ([]source, error) {
	var dirs []string
	for _, place := range []string{vendorDir, adminDir} {
		dirs = append(dirs, filepath.Join(place, mainFile)+dropInSuffix)
		if env.rootless() {
			file := filepath.Join(place, rootlessFile)
			dirs = append(dirs, file+dropInSuffix, userDropIns(env, file))
		} else {
			dirs = append(dirs, filepath.Join(place, rootfulFile)+dropInSuffix)
		}
	}
	if home != "" {
		dirs = append(dirs, home+dropInSuffix)
	}
	byName := map[string]source{}
	for _, dir := range dirs {
		shy := dir == home+dropInSuffix && !env.rootless()
		names, err := listDropIns(env, dir, shy)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			byName[name] = source{path: filepath.Join(dir, name), shy: shy}
		}
	}
	list := make([]source, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list, nil
}

// userFile returns the containers.conf of the user, "" without a home.
func userFile(env Environment) (string, error) {
	dir, err := env.pathVariable("XDG_CONFIG_HOME")
	if err != nil {
		return "", err
	}
	if dir == "" {
		if !filepath.IsAbs(env.Home) {
			return "", nil
		}
		dir = filepath.Join(env.Home, ".config")
	}
	return filepath.Join(dir, "containers", mainFile), nil
}

// userDropIns returns the directory of drop-ins for just this user.
func userDropIns(env Environment, file string) string {
	return filepath.Join(file+dropInSuffix, strconv.Itoa(env.UID))
}

// listDropIns returns the names of the *.conf files in a directory, sorted; none if it
// does not exist.
func listDropIns(env Environment, dir string, shy bool) ([]string, error) {
	entries, err := os.ReadDir(env.real(dir))
	switch {
	case isAbsent(err), shy && errors.Is(err, fs.ErrPermission):
		return nil, nil
	case err != nil:
		return nil, refuse("list "+dir, cause(err), "make the directory readable for this user, Podman stops there too")
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), confSuffix) && !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// errHidden is returned for a shy file that this process cannot see.
var errHidden = errors.New("not visible to this process")

// content reads one file. found is false for a file that does not exist and need not.
func (s source) content(env Environment) (text []byte, found bool, err error) {
	entry, err := env.stat(s.path)
	switch {
	case s.named && isAbsent(err):
		return nil, false, refuse("read "+s.path, cause(err),
			containersConf+" or "+containersConfOverride+" names it: create it or unset the variable")
	case isAbsent(err):
		return nil, false, nil
	case err != nil:
		return nil, false, s.unreadable(err)
	case entry.IsDir():
		return nil, false, s.unreadable(errors.New("it is a directory"))
	case !entry.Mode().IsRegular() && entry.Mode()&fs.ModeCharDevice == 0:
		return nil, false, s.unreadable(errors.New("it is not a regular file"))
	}
	file, err := os.Open(env.real(s.path))
	if err != nil {
		return nil, false, s.unreadable(err)
	}
	defer file.Close()
	text, err = io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, false, s.unreadable(err)
	}
	if len(text) > maxFileSize {
		return nil, false, s.unreadable(errors.Errorf("it is larger than %d bytes", maxFileSize))
	}
	return text, true, nil
}

func (s source) unreadable(err error) error {
	if s.shy && errors.Is(err, fs.ErrPermission) {
		return errHidden
	}
	return refuse("read "+s.path, cause(err),
		"it decides where Podman keeps its events: make it a file that this user can read, or name the store explicitly")
}
