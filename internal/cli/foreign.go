package cli

import (
	"strings"

	"github.com/spf13/pflag"
)

const (
	itFollows    = "it follows unless --stream=false is given"
	giveFormat   = "give --format json or --format short"
	doesNotExist = "there is nothing like it; leave it out"
	goOn         = "give --cursor-file FILE, and then 'eventsvc events' with the same"
	giveAddress  = "give --address ssh-exec:HOST"
)

// foreignFlags maps flags of docker, journalctl and kubectl that people try, long and
// short ones, to what to give instead.
var foreignFlags = map[string]string{
	"tail": "give --lines NUMBER", "n": "give --lines NUMBER", "pager-end": "give --lines NUMBER", "e": "give --lines NUMBER",
	"json": "give --format json", "output": giveFormat, "o": giveFormat,
	"no-stream": "give --stream=false", "no-follow": "give --stream=false", "no-tail": "give --since 1970-01-01",
	"stream": itFollows, "follow": itFollows, "watch": itFollows, "w": itFollows, "watch-only": itFollows,
	"url": "give --address unix:PATH or ssh-exec:HOST", "connection": giveAddress, "remote": giveAddress, "host": giveAddress, "H": giveAddress,
	"machine": giveAddress, "M": giveAddress, "c": giveAddress,
	"S": "give --since TIME", "U": "give --until TIME", "boot": "give --since with the time of the boot", "b": "give --since with the time of the boot",
	"unit": "give --filter container=NAME, or --filter label=PODMAN_SYSTEMD_UNIT=UNIT", "u": "give --filter container=NAME, or --filter label=PODMAN_SYSTEMD_UNIT=UNIT",
	"grep": "give --filter 'name=*WORD*'", "g": "give --filter 'name=*WORD*'",
	"identifier": "give --filter name=NAME", "t": "give --filter name=NAME",
	"priority": "give --filter exit-code!=0 or --filter health=unhealthy", "p": "give --filter exit-code!=0 or --filter health=unhealthy",
	"reverse": "events are printed oldest first", "r": "events are printed oldest first", "sort-by": "events are printed oldest first",
	"utc": "set TZ=UTC, in which times are then printed and read", "no-hostname": doesNotExist,
	"no-pager": doesNotExist, "quiet": doesNotExist, "q": doesNotExist, "all": doesNotExist, "no-full": doesNotExist,
	"cursor": "give --after-cursor CURSOR", "show-cursor": "give --format json, in which each event has its Cursor",
	"user": "without --all-users they are your own already", "system": "give --all-users",
	"namespace": "give --filter label=KEY=VALUE", "all-namespaces": "give --all-users", "A": "give --all-users", "a": "give --all-users",
	"selector": "give --filter label=KEY=VALUE", "l": "give --filter label=KEY=VALUE",
	"field-selector": "give --filter KEY=VALUE", "for": "give --filter container=NAME", "types": "give --filter exit-code!=0 or --filter health=unhealthy",
}

// foreignFlag returns what to give instead of a flag that the command does not have, ""
// if there is no advice. err is the error of package pflag.
func foreignFlag(err string, flags *pflag.FlagSet) string {
	flag, long := strings.CutPrefix(err, "unknown flag: --")
	if !long {
		flag, _ = strings.CutPrefix(err, "unknown shorthand flag: '")
	}
	hint := foreignFlags[flag[:max(0, strings.IndexAny(flag+" ", " '"))]]
	if _, given, found := strings.Cut(hint, "--"); found {
		if given, _, _ = strings.Cut(given, " "); flags.Lookup(strings.TrimSuffix(given, "=false")) == nil {
			if hint == itFollows && flags.Lookup("cursor-file") != nil {
				return goOn
			}
			return "" // of another command
		}
	}
	return hint
}
