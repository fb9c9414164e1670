package config

import (
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

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
			dropIns, err := sourcesIn(env, dir, place.shy)
			if err != nil {
				return nil, err
			}
			list = append(list, dropIns...)
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
		dropIns, err := sourcesIn(env, dir, dir == home+dropInSuffix && !env.rootless())
		if err != nil {
			return nil, err
		}
		for _, dropIn := range dropIns {
			byName[filepath.Base(dropIn.path)] = dropIn
		}
	}
	list := make([]source, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list, nil
}

// configHome returns the directory for the user's configuration, "" without a home.
func configHome(env Environment) (string, error) {
	dir, err := env.pathVariable("XDG_CONFIG_HOME")
	if dir == "" && err == nil && filepath.IsAbs(env.Home) {
		dir = filepath.Join(env.Home, ".config")
	}
	return dir, err
}

// userFile returns the containers.conf of the user, "" without a home.
func userFile(env Environment) (string, error) {
	dir, err := configHome(env)
	if err != nil || dir == "" {
		return "", err
	}
	return filepath.Join(dir, "containers", mainFile), nil
}

// userDropIns returns the directory of drop-ins for just this user.
func userDropIns(env Environment, file string) string {
	return filepath.Join(file+dropInSuffix, strconv.Itoa(env.UID))
}

// sourcesIn returns the *.conf files in a directory, sorted; none if it does not exist.
func sourcesIn(env Environment, dir string, shy bool) (list []source, err error) {
	names, err := listDropIns(env, dir, confSuffix)
	if shy && errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, refuse("list "+dir, cause(err), "make the directory readable for this user, Podman stops there too")
	}
	for _, name := range names {
		list = append(list, source{path: filepath.Join(dir, name), shy: shy})
	}
	return list, nil
}

// errHidden is returned for a shy file that this process cannot see.
var errHidden = errors.New("not visible to this process")

// content reads one file. found is false for a file that does not exist and need not.
func (s source) content(env Environment) (text []byte, found bool, err error) {
	text, err = readFile(env, s.path)
	switch {
	case err == nil:
		return text, true, nil
	case isAbsent(err) && s.named:
		return nil, false, refuse("read "+s.path, cause(err),
			containersConf+" or "+containersConfOverride+" names it: create it or unset the variable")
	case isAbsent(err):
		return nil, false, nil
	case s.shy && errors.Is(err, fs.ErrPermission):
		return nil, false, errHidden
	}
	return nil, false, refuse("read "+s.path, cause(err),
		"it decides where Podman keeps its events: make it a file that this user can read, or name the store explicitly")
}
