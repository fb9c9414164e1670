package filter

import (
	"slices"
	"strconv"
	"strings"
)

// sameStatus are words of Docker that mean exactly one status of libpod.
var sameStatus = map[string]StatusCode{
	"delete": removeCode, "destroy": removeCode, "rm": removeCode, "exec_die": execDiedCode,
	"exec_start": codeOf[StatusCode]("exec", statusWords[:]), "load": codeOf[StatusCode]("loadfromarchive", statusWords[:]),
}

// Status returns the status meant by a filter event=word, including words of Docker; 0
// if there is none.
func Status(word string) StatusCode {
	if same, ok := sameStatus[word]; ok {
		return same
	}
	return StatusOf(word)
}

// foreignKeys are keys of Docker and kubectl, and what to give instead.
var foreignKeys = map[string]string{
	"scope":               "all events are of this host; leave it out",
	"daemon":              "events of the engine itself are type=system",
	"service":             giveLabel,
	"node":                giveHost,
	"plugin":              noSwarm,
	"config":              noSwarm,
	"stack":               giveLabel,
	"project":             giveLabel,
	"namespace":           "Podman has no namespaces; give +label=KEY=VALUE, or uid=NUMBER for a user",
	"reason":              "give event=STATUS",
	"action":              "give event=STATUS",
	"verdict":             "give health=VERDICT",
	"exitcode":            "give exit-code=NUMBER",
	"exited":              "give exit-code=NUMBER",
	"code":                "give exit-code=NUMBER",
	"user":                "give uid=NUMBER",
	"unit":                "give name=NAME, or label=PODMAN_SYSTEMD_UNIT=UNIT",
	"involvedobject.name": "give name=NAME",
	"involvedobject.kind": "give type=TYPE",
}

const (
	giveLabel = "give +label=KEY=VALUE, for Compose +label=com.docker.compose.project=NAME and +label=com.docker.compose.service=NAME"
	giveHost  = "give host=NAME, where events of several hosts are collected"
	noSwarm   = "Podman has none"
)

// foreignTypes are types of Docker and kinds of Kubernetes that libpod does not have.
var foreignTypes = map[string]string{
	"daemon": "give type=system", "engine": "give type=system", "host": "give type=system",
	"builder": "give event=build", "service": giveLabel, "node": giveHost, "plugin": noSwarm, "config": noSwarm,
	"normal": "give a filter on what is wrong, such as exit-code!=0", "warning": "give a filter on what is wrong, such as exit-code!=0 or health=unhealthy",
	"vm": "give type=machine",
}

// foreign returns what to give instead of another program's key or type, "" if the word
// is not one.
func foreign(words map[string]string, kind, word string) string {
	if hint, ok := words[strings.ToLower(word)]; ok {
		return "libpod has no " + kind + " " + strconv.Quote(word) + "; " + hint
	}
	return ""
}

// healthWord is the prefix of Docker's events with a verdict: "health_status: healthy".
const healthWord = "health_status:"

// ForeignStatus returns what to give instead of a word of Docker or Kubernetes that is
// not a status of libpod, "" if the word is neither program's.
func ForeignStatus(word string) string {
	lower := strings.ToLower(word)
	if verdict, ok := strings.CutPrefix(lower, healthWord); ok {
		verdict = strings.TrimSpace(verdict)
		if !slices.Contains(verdicts, verdict) {
			verdict = strings.Join(verdicts, ", ")
		}
		return "a verdict has a key of its own; give health=" + verdict
	}
	if hint := foreign(foreignWords, "event status", word); hint != "" {
		return hint
	}
	first, _, ok := strings.Cut(word, ":") // "exec_start: sh -c true"
	switch {
	case ok && Status(first) != 0:
		return "the command of a process is not recorded; give event=" + Status(first).String()
	case ok:
		return foreign(foreignWords, "event status", first)
	}
	return ""
}

// foreignWords maps words, in lower case, to what to give instead.
var foreignWords = map[string]string{
	"oom":          giveOOM,
	"oomkilled":    giveOOM,
	"oomkilling":   giveOOM,
	"healthy":      "give health=healthy",
	"unhealthy":    "give health=unhealthy",
	"exec_create":  "give event=exec, which is the start of the process",
	"exec_detach":  "give event=exec_died, which is the end of the process",
	"exited":       "give event=died",
	"exit":         "give event=died",
	"completed":    "give event=died and exit-code=0",
	"failed":       "give event=died and exit-code!=0, or event=pull-error",
	"errimagepull": "give event=pull-error",
	"pulling":      "give event=pull, which is the end of it",
	"pulled":       "give event=pull",
	"killing":      "give event=kill",
	"deleted":      "give event=remove",
	"detach":       "the end of an attach is not recorded",
	"resize":       "it is not recorded",
	"top":          "it is not recorded",
	"backoff":      "a restart is event=restart",
	"created":      "give event=create",
	"started":      "give event=start",
	"stopped":      "give event=stop",
	"removed":      "give event=remove",
	"reload":       "it is not recorded",
	"running":      "give event=start",
	"rmi":          "give event=untag or event=remove, and type=image",
}

const giveOOM = "a container that is killed for its memory ends with event=died and exit-code=137"

// foreignSyntax returns what to give instead of a list of values or a regular
// expression, "" if the value is neither. libpod gives no such names, so the filter
// would silently match nothing. In a path that contains such a character, write '?' for
// it.
func foreignSyntax(filter, value string) string {
	start := strings.TrimSuffix(filter, value)
	bare := strings.NewReplacer("^", "", "$", "", ".*", "*").Replace(value)
	switch {
	case strings.ContainsAny(value, ",|"):
		first, _, _ := strings.Cut(strings.ReplaceAll(value, "|", ","), ",")
		return "it has several values; give " + start + first + ", and a filter for each of the others"
	case strings.HasPrefix(value, "^") || strings.HasSuffix(value, "$"):
		if !strings.HasPrefix(value, "^") {
			bare = "*" + bare
		}
		if !strings.HasSuffix(value, "$") {
			bare += "*"
		}
		return "it is no regular expression; give " + start + bare
	case strings.ContainsAny(value, "[]()\\"):
		return "it is no regular expression; '*' stands for any letters, and '?' for one"
	case strings.HasPrefix(value, "="):
		return "it has one '=' too many; give " + start + strings.TrimLeft(value, "=")
	}
	return ""
}
