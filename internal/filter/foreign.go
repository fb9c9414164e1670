package filter

import (
	"slices"
	"strconv"
	"strings"
)

// sameStatus are words of Docker that mean one status of libpod and nothing else.
var sameStatus = map[string]StatusCode{
	"delete": removeCode, "destroy": removeCode, "rm": removeCode, "exec_die": execDiedCode,
	"exec_start": codeOf[StatusCode]("exec", statusWords[:]), "load": codeOf[StatusCode]("loadfromarchive", statusWords[:]),
}

// Status returns the status that a filter event=word asks for, words of Docker
// included; 0 if it is none.
func Status(word string) StatusCode {
	if same, ok := sameStatus[word]; ok {
		return same
	}
	return StatusOf(word)
}

// healthWord begins the events of Docker that have a verdict: "health_status: healthy".
const healthWord = "health_status:"

// foreignStatus returns what to give instead of a word of Docker or Kubernetes that
// is no status of libpod, "" if it is none of those.
func foreignStatus(word string) string {
	lower := strings.ToLower(word)
	if verdict, ok := strings.CutPrefix(lower, healthWord); ok {
		verdict = strings.TrimSpace(verdict)
		if !slices.Contains(verdicts, verdict) {
			verdict = strings.Join(verdicts, ", ")
		}
		return "a verdict has a key of its own; give health=" + verdict
	}
	if hint, ok := foreignWords[lower]; ok {
		return "libpod has no event status " + strconv.Quote(word) + "; " + hint
	}
	return ""
}

// foreignWords say, for words in small letters, what to give instead.
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
}

const giveOOM = "a container that is killed for its memory ends with event=died and exit-code=137"
