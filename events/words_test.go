package events_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// libpodTypes and libpodStatuses are the words of libpod up to Podman 5.8, and
// artifact, spelled out once more: a word that falls out of the table has to
// fall out here, too.
const (
	libpodTypes    = "artifact container image machine network pod secret system volume"
	libpodStatuses = "attach auto-update build checkpoint cleanup commit connect copy create died disconnect exec " +
		"exec_died export health_status history import init kill loadfromarchive log-rotation mount pause prune pull " +
		"pull-error push refresh remove rename renumber restart restore save start stop sync tag unmount unpause untag " +
		"update"
)

// Types are those of libpod in order.
func TestTypes_asLibpod(t *testing.T) {
	var words []string
	for _, typ := range events.Types() {
		words = append(words, typ.String())
	}
	if got := strings.Join(words, " "); got != libpodTypes {
		t.Errorf("types are %s,\nwant %s", got, libpodTypes)
	}
}

// Statuses are those of libpod in order.
func TestStatuses_asLibpod(t *testing.T) {
	var words []string
	for _, status := range events.Statuses() {
		words = append(words, status.String())
	}
	if got := strings.Join(words, " "); got != libpodStatuses {
		t.Errorf("statuses are %s,\nwant %s", got, libpodStatuses)
	}
}

// Changing a list of words does not change the table.
func TestWords_listIsACopy(t *testing.T) {
	events.Types()[0] = "changed"
	events.Statuses()[0] = "changed"
	if events.Types()[0] != events.Artifact || events.Statuses()[0] != events.Attach {
		t.Errorf("the table begins with %q and %q", events.Types()[0], events.Statuses()[0])
	}
}

// Every type is read from both spellings and from its code.
func TestTypes_spellingsAndCode(t *testing.T) {
	seen := make(map[filter.TypeCode]bool)
	for _, typ := range events.Types() {
		for _, word := range []string{typ.String(), typ.Varlink(), strings.ReplaceAll(typ.String(), "-", "_")} {
			if got, err := events.StringToType(word); got != typ || err != nil {
				t.Errorf("StringToType(%q) = %q, %v", word, got, err)
			}
		}
		code := filter.CodeOfType(typ)
		if code == 0 || code > 63 || seen[code] {
			t.Errorf("code of %q is %d: wants one of its own from 1 to 63", typ, code)
		}
		seen[code] = true
		if code.String() != string(typ) || code.Varlink() != typ.Varlink() || filter.CodeOfType([]byte(typ)) != code {
			t.Errorf("code %d of %q leads to %q and %q", code, typ, code.String(), code.Varlink())
		}
	}
}

// Every status is read from both spellings and from its code.
func TestStatuses_spellingsAndCode(t *testing.T) {
	seen := make(map[filter.StatusCode]bool)
	for _, status := range events.Statuses() {
		for _, word := range []string{status.String(), status.Varlink(), strings.ReplaceAll(status.String(), "-", "_")} {
			if got, err := events.StringToStatus(word); got != status || err != nil {
				t.Errorf("StringToStatus(%q) = %q, %v", word, got, err)
			}
		}
		if strings.Contains(status.Varlink(), "-") {
			t.Errorf("%q is spelled %q on Varlink, which allows no '-'", status, status.Varlink())
		}
		code := filter.CodeOfStatus(status)
		if code == 0 || code > 63 || seen[code] {
			t.Errorf("code of %q is %d: wants one of its own from 1 to 63", status, code)
		}
		seen[code] = true
		if code.String() != string(status) || code.Varlink() != status.Varlink() || filter.CodeOfStatus([]byte(status)) != code {
			t.Errorf("code %d of %q leads to %q and %q", code, status, code.String(), code.Varlink())
		}
	}
}

// Docker's die is understood as died.
func TestStatuses_dockerDie(t *testing.T) {
	if got, err := events.StringToStatus("die"); got != events.Exited || err != nil {
		t.Errorf("StringToStatus(die) = %q, %v", got, err)
	}
}

// A word of a newer libpod has code zero and is unknown on Varlink.
func TestWords_newerLibpod(t *testing.T) {
	if c := filter.CodeOfType("gadget"); c != 0 || c.String() != "" || c.Varlink() != "unknown" {
		t.Errorf("type: code %d, word %q, Varlink %q", c, c.String(), c.Varlink())
	}
	if c := filter.CodeOfStatus("levitate"); c != 0 || c.String() != "" || c.Varlink() != "unknown" {
		t.Errorf("status: code %d, word %q, Varlink %q", c, c.String(), c.Varlink())
	}
	if events.Type("gadget").Varlink() != "unknown" || events.Status("levitate").Varlink() != "unknown" {
		t.Error("an unknown word is not unknown on Varlink")
	}
	// The spelling of Varlink is no word of libpod: in a log it is unknown.
	if c := filter.CodeOfStatus("auto_update"); c != 0 {
		t.Errorf("auto_update has code %d", c)
	}
}

// Looking up a word in a line allocates nothing.
func TestWords_noAllocations(t *testing.T) {
	line := []byte("health_status container")
	var status filter.StatusCode
	var typ filter.TypeCode
	allocs := testing.AllocsPerRun(100, func() {
		status, typ = filter.CodeOfStatus(line[:13]), filter.CodeOfType(line[14:])
	})
	if allocs != 0 || status.String() != string(events.HealthStatus) || typ.String() != string(events.Container) {
		t.Errorf("%v allocations, words %q and %q", allocs, status, typ)
	}
}

// An unknown word is refused with the nearest known one.
func TestWords_unknown(t *testing.T) {
	status := func(word string) error { _, err := events.StringToStatus(word); return err }
	typ := func(word string) error { _, err := events.StringToType(word); return err }
	for _, test := range []struct {
		parse   func(string) error
		word    string
		kind    string
		nearest string
		text    string
	}{
		{status, "creat", "event status", "create", `unknown event status "creat", did you mean "create"?`},
		{status, "craete", "event status", "create", `unknown event status "craete", did you mean "create"?`},
		{status, "CREATE", "event status", "create", `unknown event status "CREATE", did you mean "create"?`},
		{status, "Died", "event status", "died", `unknown event status "Died", did you mean "died"?`},
		{status, "dies", "event status", "died", `unknown event status "dies", did you mean "died"?`},
		{status, "exec-died", "event status", "exec_died", `unknown event status "exec-died", did you mean "exec_died"?`},
		{status, "auto update", "event status", "auto-update", `unknown event status "auto update", did you mean "auto-update"?`},
		{status, "x", "event status", "", `unknown event status "x"`},
		{status, "levitate", "event status", "", `unknown event status "levitate"`},
		{status, strings.Repeat("create", 20000), "event status", "", `unknown event status "` + strings.Repeat("create", 20000) + `"`},
		{typ, "containr", "event type", "container", `unknown event type "containr", did you mean "container"?`},
		{typ, "containers", "event type", "container", `unknown event type "containers", did you mean "container"?`},
		{typ, "pdo", "event type", "pod", `unknown event type "pdo", did you mean "pod"?`},
		{typ, "Pod", "event type", "pod", `unknown event type "Pod", did you mean "pod"?`},
		{typ, "unknown", "event type", "", `unknown event type "unknown"`},
		{typ, "gadget", "event type", "", `unknown event type "gadget"`},
	} {
		err := test.parse(test.word)
		var word *events.WordError
		if !errors.As(err, &word) {
			t.Errorf("%.20s: error is %v, want a *WordError", test.word, err)
			continue
		}
		if word.Kind != test.kind || word.Word != test.word || word.Nearest != test.nearest {
			t.Errorf("%.20s: %.200q", test.word, []string{word.Kind, word.Word, word.Nearest})
		}
		if err.Error() != test.text {
			t.Errorf("%.20s: text is %.200s,\nwant %.200s", test.word, err, test.text)
		}
	}
}

// A blank word has an error of its own.
func TestWords_blank(t *testing.T) {
	if _, err := events.StringToType(""); !errors.Is(err, events.ErrEventTypeBlank) {
		t.Errorf("type: %v", err)
	}
	if _, err := events.StringToStatus(""); !errors.Is(err, events.ErrEventStatusBlank) {
		t.Errorf("status: %v", err)
	}
}

// Kinds of store are the words of containers.conf.
func TestKinds_asContainersConf(t *testing.T) {
	if got := []events.EventerType{events.LogFile, events.Journald, events.Null}; fmt.Sprint(got) != "[file journald none]" {
		t.Errorf("the kinds are %q", got)
	}
	if got := events.Journald.String(); got != "journald" {
		t.Errorf("Journald is %q", got)
	}
}
