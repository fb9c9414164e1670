package cli

import "strings"

// foreignFlags are flags of docker, journalctl and kubectl that people try, and what
// to give instead.
var foreignFlags = []struct{ flag, give string }{
	{"--tail", "give --lines NUMBER"},
	{"--json", "give --format json"},
	{"--output", "give --format json"},
	{"'o' in -o", "give --format json"},
	{"--no-stream", "give --stream=false"},
	{"--no-follow", "give --stream=false"},
	{"--follow", "it follows unless --stream=false is given"},
	{"--url", "give --address unix:PATH or ssh-exec:HOST"},
	{"--host", "give --address ssh-exec:HOST"},
	{"'H' in -H", "give --address ssh-exec:HOST"},
}

// foreignFlag returns what to give instead of a flag that is not known, "" if nothing
// comes to mind.
func foreignFlag(err string) string {
	_, flag, unknown := strings.Cut(err, "unknown ")
	if !unknown {
		return ""
	}
	flag = strings.TrimPrefix(strings.TrimPrefix(flag, "shorthand "), "flag: ")
	for _, f := range foreignFlags {
		if flag == f.flag || strings.HasPrefix(flag, f.flag+" ") || strings.HasPrefix(flag, f.flag) && f.flag[0] == '\'' {
			return f.give
		}
	}
	return ""
}
