package config

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// The priorities with which Podman writes events to the journal (syslog(3)).
const (
	priorityOfEvents = 6 // info
	priorityOfHealth = 5 // notice: health_status
)

// priorities are the words of MaxLevelStore= (journald.conf(5)).
var priorities = map[string]int{
	"emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7,
}

// JournalDrops returns which events journald is configured not to store, and by which
// file, "" if it stores all of them. It ignores what it cannot read.
func JournalDrops(env Environment) string {
	files, err := confFiles(env, below(systemDirs, "systemd"), "journald.conf", confSuffix)
	if err != nil {
		return ""
	}
	level, where := priorities["debug"], ""
	for _, path := range files {
		text, err := readConf(env, path)
		if err != nil {
			continue
		}
		if found, line := maxLevelStore(text); line > 0 {
			level, where = found, fmt.Sprintf("%s:%d", path, line)
		}
	}
	var what string
	switch {
	case level < priorityOfHealth:
		what = "every event of Podman"
	case level < priorityOfEvents:
		what = "every event of Podman but health_status"
	default:
		return ""
	}
	return fmt.Sprintf("journald drops %s: MaxLevelStore= in %s stores priorities up to %d, and Podman writes events with %d; "+
		"set MaxLevelStore=info, or let Podman log to a file (events_logger = \"file\" in containers.conf)", what, where, level, priorityOfEvents)
}

// maxLevelStore returns the last level in a file and its line, 0 if there is no valid
// one. An empty value is the default.
func maxLevelStore(text []byte) (level, line int) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	section, number := "", 0
	for lines.Scan() {
		number++
		said := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(said, "[") {
			section = said
			continue
		}
		key, value, found := strings.Cut(said, "=")
		if section != "[Journal]" || !found || strings.TrimSpace(key) != "MaxLevelStore" {
			continue
		}
		value = strings.TrimSpace(value)
		if value == "" {
			level, line = priorities["debug"], number
			continue
		}
		parsed, known := priorities[value]
		if !known {
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 || n > priorities["debug"] {
				continue // journald ignores it, too
			}
			parsed = n
		}
		level, line = parsed, number
	}
	return level, line
}
