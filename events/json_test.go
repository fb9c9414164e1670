package events_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// podmanEvent is the shape of a line as Podman 5.8 gives it to encoding/json.
type podmanEvent struct {
	ContainerExitCode   *int   `json:",omitempty"`
	ID                  string `json:",omitempty"`
	Image               string `json:",omitempty"`
	Name                string `json:",omitempty"`
	Network             string `json:"network,omitempty"`
	Status              string
	Time                time.Time
	Type                string
	HealthStatus        string `json:"health_status,omitempty"`
	HealthLog           string `json:"health_log,omitempty"`
	HealthFailingStreak int    `json:"health_failing_streak,omitempty"`
	Error               string `json:"error,omitempty"`

	podmanDetails
}

type podmanDetails struct {
	ContainerInspectData string `json:",omitempty"`
	PodID                string `json:",omitempty"`
	Attributes           map[string]string
}

// toPodman drops what is no member of the line.
func toPodman(e *events.Event) podmanEvent {
	return podmanEvent{
		e.ContainerExitCode, e.ID, e.Image, e.Name, e.Network, string(e.Status), e.Time, string(e.Type),
		e.HealthStatus, e.HealthLog, e.HealthFailingStreak, e.Error,
		podmanDetails{e.ContainerInspectData, e.PodID, e.Attributes},
	}
}

// samples returns the lines of a log that Podman wrote.
func samples(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(lines) < 20 {
		t.Fatalf("%s has only %d lines", name, len(lines))
	}
	return lines
}

var sampleLogs = []string{
	"podman-1.9.3-events.log", "podman-4.3.1-events.log", "podman-4.3.1-rotated-events.log", "podman-5.8.2-events.log",
}

// read decodes a line that has to be an event.
func read(t testing.TB, line string) events.Event {
	t.Helper()
	var e events.Event
	if err := e.UnmarshalJSON([]byte(line)); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return e
}

// write encodes an event that has to have a line.
func write(t testing.TB, e *events.Event) string {
	t.Helper()
	line, err := e.ToJSONString()
	if err != nil {
		t.Fatalf("%+v: %v", e, err)
	}
	return line
}

// meaning returns the members of a line but those that are null, which means
// absent.
func meaning(t testing.TB, line string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	members := make(map[string]any)
	if err := decoder.Decode(&members); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
	return members
}

// A line of every Podman is written back equal in meaning.
func TestJSON_everyPodmanSameMeaning(t *testing.T) {
	for _, name := range sampleLogs {
		t.Run(name, func(t *testing.T) {
			for _, line := range samples(t, name) {
				e := read(t, line)
				got := write(t, &e)
				if !reflect.DeepEqual(meaning(t, got), meaning(t, line)) {
					t.Errorf("line    %s\nbecomes %s", line, got)
				}
				if len(e.Extra) > 0 {
					t.Errorf("line %s\nhas members without a field: %v", line, e.Extra)
				}
				if _, err := events.StringToType(string(e.Type)); err != nil {
					t.Errorf("line %s: %v", line, err)
				}
				if _, err := events.StringToStatus(string(e.Status)); err != nil {
					t.Errorf("line %s: %v", line, err)
				}
			}
		})
	}
}

// A line of Podman 4 and later is written back byte for byte.
func TestJSON_podman4SameBytes(t *testing.T) {
	for _, name := range sampleLogs[1:] {
		t.Run(name, func(t *testing.T) {
			for _, line := range samples(t, name) {
				e := read(t, line)
				if got := write(t, &e); got != line {
					t.Errorf("line    %s\nbecomes %s", line, got)
				}
			}
		})
	}
}

// A line of Podman 1 is written back as Podman 5 would write it.
func TestJSON_podman1AsPodman5(t *testing.T) {
	for _, line := range samples(t, "podman-1.9.3-events.log") {
		e := read(t, line)
		want := strings.TrimSuffix(line, "}") + `,"Attributes":null}`
		if got := write(t, &e); got != want {
			t.Errorf("line    %s\nbecomes %s", line, got)
		}
	}
}

// Every member of a line has its field.
func TestJSON_everyMember(t *testing.T) {
	const line = `{"ContainerExitCode":137,"ID":"id","Image":"image","Name":"name","network":"network","Status":"died",` +
		`"Time":"2026-11-23T12:46:15.079092841+01:00","Type":"container","health_status":"unhealthy","health_log":"log",` +
		`"health_failing_streak":4,"error":"error","ContainerInspectData":"{\"a\":1}","PodID":"pod",` +
		`"Attributes":{"k":"v","l":""}}`
	e := read(t, line)
	code := 137
	want := events.Event{
		ContainerExitCode: &code, ID: "id", Image: "image", Name: "name", Network: "network",
		Status: events.Exited, Time: e.Time, Type: events.Container, HealthStatus: "unhealthy", HealthLog: "log",
		HealthFailingStreak: 4, Error: "error",
		Details: events.Details{
			ContainerInspectData: `{"a":1}`, PodID: "pod", Attributes: map[string]string{"k": "v", "l": ""},
		},
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("read  %+v,\nwant %+v", e, want)
	}
	if at := time.Date(2026, 11, 23, 11, 46, 15, 79092841, time.UTC); !e.Time.Equal(at) {
		t.Errorf("time is %s, want %s", e.Time, at)
	}
	if got := write(t, &e); got != line {
		t.Errorf("written back as\n%s, want\n%s", got, line)
	}
}

// Exit code zero stays an exit code.
func TestJSON_exitCodeZero(t *testing.T) {
	const died = `"ID":"a","Status":"died","Time":"2026-11-23T12:46:15Z","Type":"container","Attributes":null}`
	for _, test := range []struct {
		name, line, want string
		code             int
		given            bool
	}{
		{"zero, as Podman 5 writes it", `{"ContainerExitCode":0,` + died, `{"ContainerExitCode":0,` + died, 0, true},
		{"not zero", `{"ContainerExitCode":3,` + died, `{"ContainerExitCode":3,` + died, 3, true},
		{"negative", `{"ContainerExitCode":-1,` + died, `{"ContainerExitCode":-1,` + died, -1, true},
		{"none, as Podman before 5 does for zero", `{` + died, `{` + died, 0, false},
		{"null", `{"ContainerExitCode":null,` + died, `{` + died, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := read(t, test.line)
			if given := e.ContainerExitCode != nil; given != test.given || given && *e.ContainerExitCode != test.code {
				t.Errorf("exit code of %s is %v", test.line, e.ContainerExitCode)
			}
			if got := write(t, &e); got != test.want {
				t.Errorf("written as %s, want %s", got, test.want)
			}
		})
	}
}

func TestJSON_unknownMembers(t *testing.T) {
	const known = `"ID":"a","Status":"create","Time":"2026-11-23T12:46:15Z","Type":"container","Attributes":null`
	for _, test := range []struct{ name, line, want string }{
		{
			"of any shape, sorted, after the known ones",
			`{"zoom":[1,{"b":2,"a":"<&>"}],` + known + `,"Alpha":null,"big":12345678901234567890.10,"word":"\u00e9"}`,
			`{` + known + `,"Alpha":null,"big":12345678901234567890.10,"word":"\u00e9","zoom":[1,{"b":2,"a":"<&>"}]}`,
		},
		{
			"without white space, so that the line stays one line",
			"{" + known + ",\"pretty\": {\n\t\"a\" : \"b c\",\r\n \"d\": [ 1 , 2 ] }}",
			`{` + known + `,"pretty":{"a":"b c","d":[1,2]}}`,
		},
		{"with a name that needs escapes", `{` + known + `,"new\nline":1}`, `{` + known + `,"new\nline":1}`},
		{"of a newer Podman", `{` + known + `,"health_status_changed":true}`, `{` + known + `,"health_status_changed":true}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := read(t, test.line)
			if got := write(t, &e); got != test.want {
				t.Errorf("line    %s\nbecomes %s,\nwant    %s", test.line, got, test.want)
			}
		})
	}
}

// A member in another case is known as it is to Podman.
func TestJSON_membersInAnyCase(t *testing.T) {
	e := read(t, `{"id":"a","STATUS":"create","time":"2026-11-23T12:46:15Z","type":"pod","HEALTH_LOG":"l","Network":"n"}`)
	const want = `{"ID":"a","network":"n","Status":"create","Time":"2026-11-23T12:46:15Z","Type":"pod","health_log":"l",` +
		`"Attributes":null}`
	if got := write(t, &e); got != want {
		t.Errorf("written as\n%s, want\n%s", got, want)
	}
}

// Words of a newer libpod survive.
func TestJSON_newerWords(t *testing.T) {
	const line = `{"Status":"levitate\u003c","Time":"2026-11-23T12:46:15Z","Type":"gadget","Attributes":{}}`
	e := read(t, line)
	if e.Type != "gadget" || e.Status != "levitate<" {
		t.Errorf("type %q, status %q", e.Type, e.Status)
	}
	if got := write(t, &e); got != line {
		t.Errorf("written as %s", got)
	}
}

// A line that says nothing is refused.
func TestJSON_emptyLine(t *testing.T) {
	const stamp = `"Time":"2026-11-23T12:46:15Z"`
	for _, test := range []struct {
		name, line string
		want       error
	}{
		{"no type", `{"Status":"create",` + stamp + `}`, events.ErrEventTypeBlank},
		{"an empty type", `{"Status":"create","Type":"",` + stamp + `}`, events.ErrEventTypeBlank},
		{"no status", `{"Type":"pod",` + stamp + `}`, events.ErrEventStatusBlank},
		{"no time", `{"Type":"pod","Status":"create"}`, events.ErrEventTimeBlank},
		{"null as the time", `{"Type":"pod","Status":"create","Time":null}`, events.ErrEventTimeBlank},
		{"the zero time", `{"Type":"pod","Status":"create","Time":"0001-01-01T00:00:00Z"}`, events.ErrEventTimeBlank},
		{"no members", `{}`, events.ErrEventTypeBlank},
		{"null", `null`, events.ErrEventTypeBlank},
	} {
		t.Run(test.name, func(t *testing.T) {
			var e events.Event
			if err := json.Unmarshal([]byte(test.line), &e); !errors.Is(err, test.want) {
				t.Errorf("json.Unmarshal(%s) says %v, want %v", test.line, err, test.want)
			}
			if err := e.UnmarshalJSON([]byte(test.line)); !errors.Is(err, test.want) {
				t.Errorf("UnmarshalJSON(%s) says %v, want %v", test.line, err, test.want)
			}
		})
	}
}

// A line that cannot be decoded is refused.
func TestJSON_refuses(t *testing.T) {
	const good = `{"Status":"create","Time":"2026-11-23T12:46:15Z","Type":"pod"}`
	read(t, good)
	for name, line := range map[string]string{
		"empty":                     ``,
		"torn":                      good[:len(good)-1],
		"two glued together":        good + good,
		"an array":                  `[]`,
		"a string":                  `"create"`,
		"NUL bytes":                 "\x00\x00",
		"a time of another form":    strings.Replace(good, "2026-11-23T12:46:15Z", "2026-11-23 12:46:15", 1),
		"a time without zone":       strings.Replace(good, "15Z", "15", 1),
		"a number as the type":      strings.Replace(good, `"pod"`, `7`, 1),
		"a word as the exit code":   strings.Replace(good, `{`, `{"ContainerExitCode":"0",`, 1),
		"a fraction as exit code":   strings.Replace(good, `{`, `{"ContainerExitCode":0.5,`, 1),
		"an exit code out of range": strings.Replace(good, `{`, `{"ContainerExitCode":9223372036854775808,`, 1),
		"a number as a label":       strings.Replace(good, `{`, `{"Attributes":{"a":1},`, 1),
	} {
		var e events.Event
		if err := e.UnmarshalJSON([]byte(line)); err == nil {
			t.Errorf("%s: %s is read as %+v", name, line, e)
		} else if !strings.HasPrefix(err.Error(), "cannot decode event: ") {
			t.Errorf("%s: error is %q", name, err)
		}
	}
}

// An event that cannot be a line is not written.
func TestAppendJSON_refuses(t *testing.T) {
	good := events.Event{Type: events.Pod, Status: events.Create, Time: clock}
	write(t, &good)
	with := func(change func(*events.Event)) events.Event {
		e := good
		change(&e)
		return e
	}
	extra := func(name, value string) events.Event {
		return with(func(e *events.Event) { e.Extra = map[string]json.RawMessage{name: json.RawMessage(value)} })
	}
	for _, test := range []struct {
		name  string
		event events.Event
		is    error
		text  string
	}{
		{"no type", with(func(e *events.Event) { e.Type = "" }), events.ErrEventTypeBlank, ""},
		{"no status", with(func(e *events.Event) { e.Status = "" }), events.ErrEventStatusBlank, ""},
		{"no time", with(func(e *events.Event) { e.Time = time.Time{} }), events.ErrEventTimeBlank, ""},
		{"a year of five digits", with(func(e *events.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), nil, "year"},
		{"a year before 0", with(func(e *events.Event) { e.Time = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }), nil, "year"},
		{"a zone of more than a day", with(func(e *events.Event) { e.Time = clock.In(time.FixedZone("", 30*3600)) }), nil, "timezone"},
		{"an unknown member that is no JSON", extra("new", "{"), nil, `member "new" of Extra`},
		{"an unknown member that would end the line", extra("new", "1}\n{"), nil, `member "new" of Extra`},
		{"an unknown member without value", extra("new", ""), nil, `member "new" of Extra`},
		{"an unknown member that is a known one", extra("ID", `"b"`), nil, `Extra has the member "ID"`},
		{"an unknown member that readers take for a known one", extra("type", `"b"`), nil, `Extra has the member "type"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			line, err := test.event.AppendJSON([]byte("in front"))
			if err == nil || string(line) != "in front" {
				t.Fatalf("line is %s, error %v", line, err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error is %v, want %v", err, test.is)
			}
			if test.is == nil && (!strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), test.text)) {
				t.Errorf("error is %q, want it to speak of %q", err, test.text)
			}
			if _, err := json.Marshal(test.event); err == nil {
				t.Error("json.Marshal writes it")
			}
		})
	}
}

// A line is appended to what is there.
func TestAppendJSON_appends(t *testing.T) {
	e := events.Event{Type: events.Pod, Status: events.Create, Time: clock}
	alone, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := e.AppendJSON([]byte("in front"))
	if err != nil || string(behind) != "in front"+string(alone) {
		t.Errorf("line is %s, error %v", behind, err)
	}
	marshalled, err := json.Marshal([]any{e, &e})
	if want := "[" + string(alone) + "," + string(alone) + "]"; err != nil || string(marshalled) != want {
		t.Errorf("marshalled as\n%s, %v, want\n%s", marshalled, err, want)
	}
}

// A line is appended without allocations.
func TestAppendJSON_noAllocations(t *testing.T) {
	e := read(t, samples(t, "podman-5.8.2-events.log")[1])
	line := make([]byte, 0, 4096)
	if allocs := testing.AllocsPerRun(100, func() { line, _ = e.AppendJSON(line[:0]) }); allocs != 0 {
		t.Errorf("%v allocations for %s", allocs, line)
	}
}
