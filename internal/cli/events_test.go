package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEvents_formats(t *testing.T) {
	r := newRig(t, sample)
	for _, test := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{
			"Without a format the lines are those of podman events, labels sorted", nil,
			"2026-11-23 12:45:39.002295797 +0000 UTC system refresh\n" +
				"2026-11-23 12:45:39.84681649 +0000 UTC container create " + sampleID + " (image=localhost/scratch:1, name=c1, a=b, q=x=y <&>)\n" +
				"2026-11-23 12:45:40 +0000 UTC container died " + sampleID + " (image=localhost/scratch:1, name=c1, a=b)\n" +
				"2026-11-23 12:45:40.354929405 +0000 UTC volume remove vol1\n",
		},
		{
			"IDs are cut on request",
			[]string{"--no-trunc=false", "-f", "event=died"},
			"2026-11-23 12:45:40 +0000 UTC container died b1e15d4efac7 (image=localhost/scratch:1, name=c1, a=b)\n",
		},
		{"A template prints a line for each event", []string{"--format", "{{.Type}}/{{.Status}} {{.Name}}"}, "system/refresh \ncontainer/create c1\ncontainer/died c1\nvolume/remove vol1\n"},
		{"A template with a newline of its own gets no second one", []string{"--format", `{{.Type}}\n`, "-f", "volume=vol"}, "volume\n"},
		{"Two newlines stay two", []string{"--format", `{{.Type}}\n\n`, "-f", "volume=vol"}, "volume\n\n"},
		{"A tab may be written as an escape", []string{"--format", `{{.Type}}\t{{.Name}}`, "-f", "volume=vol"}, "volume\tvol1\n"},
		{"The time prints as Unix seconds, and is a Go time", []string{"--format", `{{.Time}} {{json .Time}} {{.Time.Format "15:04"}} {{.TimeNano}}`, "-f", "volume=vol"}, "1795437940 1795437940 12:45 1795437940354929405\n"},
		{"An exit code of 0 differs from none", []string{"--format", "{{.ContainerExitCode}}", "-f", "type=container"}, "<nil>\n0\n"},
		{"Labels print as a map, and one by one", []string{"--format", `{{.Attributes}} {{.Attributes.q}} {{index .Attributes "none"}}`, "-f", "event=create"}, "map[a:b q:x=y <&>] x=y <&> \n"},
		{"Labels as JSON keep their letters", []string{"--format", "{{json .Attributes}}", "-f", "event=create"}, `{"a":"b","q":"x=y <&>"}` + "\n"},
		{"Podman's functions are there", []string{"--format", `{{upper .Name}}{{lower "A"}}{{title "a b"}}{{truncate .ID 3}}{{pad .Name 1 2}}{{join (split .Image "/") "+"}}`, "-f", "event=died"}, "C1aA Bb1e c1  localhost+scratch:1\n"},
		{"They take types and statuses", []string{"--format", `{{upper .Status}} {{title .Type}} {{truncate .Status 2}}{{pad .Type 1 1}}`, "-f", "event=died"}, "DIED Container di container \n"},
		{"A short line for the eyes", []string{"--format", "short", "-f", "type=container"}, "-- Mon 2026-11-23\n12:45:39 container create        b1e15d4efac7 c1 localhost/scratch:1 a=b q=x=y <&>\n12:45:40 container died          b1e15d4efac7 c1 exit=0 localhost/scratch:1 a=b\n"},
		{"A template may ask for the line of podman events", []string{"--format", "{{.ToHumanReadable true}}", "-f", "volume=vol"}, "2026-11-23 12:45:40.354929405 +0000 UTC volume remove vol1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, code := r.run(append([]string{"events", "--stream=false"}, test.arguments...)...)
			checkCode(t, code, exitOK)
			check(t, "stderr", stderr, "")
			check(t, "stdout", stdout, test.want)
		})
	}
}

// TestEventsAsJSON_everyMember holds the lines against the log, member by member.
func TestEventsAsJSON_everyMember(t *testing.T) {
	r := newRig(t, string(sampleLog))
	stdout, _, code := r.run("events", "--stream=false", "--format", "json")
	checkCode(t, code, exitOK)
	template, _, _ := r.run("events", "--stream=false", "--format", "{{ json . }}")
	check(t, "the output of {{ json . }}", template, stdout)
	inner, _, _ := r.run("events", "--stream=false", "--format", "{{json .}}{{/* not alone */}}")
	check(t, "the output of {{json .}} in a template", inner, stdout)

	want := strings.Split(strings.TrimSuffix(string(sampleLog), "\n"), "\n")
	got := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("there are %d lines, want %d", len(got), len(want))
	}
	cursors := make(map[string]bool)
	for i := range got {
		line, logged := members(t, got[i]), members(t, want[i])
		cursor, _ := line["Cursor"].(string)
		if cursor == "" || cursors[cursor] {
			t.Errorf("line %d has the cursor %q, which is none or not its own", i+1, cursor)
		}
		cursors[cursor] = true
		folded := make(map[string]string)
		for name := range line {
			if other := folded[strings.ToLower(name)]; other != "" {
				t.Errorf("%s and %s differ in case alone", name, other)
			}
			folded[strings.ToLower(name)] = name
		}
		at, err := time.Parse(time.RFC3339Nano, logged["Time"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if line["time"] != json.Number(fmt.Sprint(at.Unix())) || line["timeNano"] != json.Number(fmt.Sprint(at.UnixNano())) ||
			line["Timestamp"] != at.Local().Format(time.RFC3339Nano) || line["UID"] != json.Number(fmt.Sprint(os.Getuid())) {
			t.Errorf("of %s the times and the user are %s", want[i], got[i])
		}
		if logged["Attributes"] == nil {
			logged["Attributes"] = map[string]any{}
		}
		if text, ok := logged["error"]; ok {
			logged["Error"] = text
		}
		for _, own := range []string{"time", "timeNano", "Timestamp", "UID", "Cursor"} {
			delete(line, own)
		}
		delete(logged, "Time")
		delete(logged, "error")
		if !reflect.DeepEqual(line, logged) {
			t.Errorf("line %d is %v, want %v", i+1, line, logged)
		}
	}
}

// members decodes a JSON object, numbers as they stand there.
func members(t *testing.T, line string) map[string]any {
	t.Helper()
	m := make(map[string]any)
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return m
}

// A whole event in a template is the line for people.
func TestEvents_templateOfWholeEvent(t *testing.T) {
	r := newRig(t, string(sampleLog))
	want, _, _ := r.run("events", "--stream=false")
	for _, format := range []string{"{{.}}", `{{printf "%s" .}}`, `{{printf "%v" .}}`} {
		stdout, stderr, code := r.run("events", "--stream=false", "--format", format)
		checkCode(t, code, exitOK)
		check(t, "stderr", stderr, "")
		check(t, "the output of "+format, stdout, want)
	}
}

// Events refuses templates that cannot work.
func TestEvents_refusesTemplates(t *testing.T) {
	r := newRig(t, sample)
	for _, test := range []struct{ name, format, want string }{
		{"A field that does not exist", "{{.Nope}}", "can't evaluate field Nope; the fields are .Attributes"},
		{"A template that does not end", "{{.ID", "unclosed action\n"},
		{"A function that does not exist", "{{nope .ID}}", `function "nope" not defined`},
		{"A table", "table {{.ID}}", "leave 'table' out"},
		{"A word", "x", "give json, short, or a Go template"},
		{"JSON in capitals", "JSON", "give json, which prints a line of JSON for each event"},
		{"Lines of JSON", "jsonl", "give json, which prints a line of JSON for each event"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, code := r.run("events", "--stream=false", "--filter", "type=machine", "--format", test.format)
			checkCode(t, code, exitError)
			check(t, "stdout", stdout, "")
			if !strings.HasPrefix(stderr, "eventsvc: cannot use --format") || !strings.Contains(stderr, test.want) {
				t.Errorf("stderr is %q", stderr)
			}
		})
	}
}

func TestEvents_startAsPodman(t *testing.T) {
	for _, test := range []struct {
		name      string
		arguments []string
		past      bool
		follows   bool
	}{
		{"Without bounds: from now on", nil, false, true},
		{"With since: the past first", []string{"--since", "2020-01-01"}, true, true},
		{"With until in the future: the past first", []string{"--until", "1h"}, true, true},
		{"With until in the past: the past, and then the end", []string{"--until", "now"}, true, false},
		{"Without streaming: the past, and then the end", []string{"--stream=false"}, true, false},
		{"Without streaming an until in the future is not waited for", []string{"--stream=false", "--until", "1h"}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, strings.ReplaceAll(sample, "2026-11-23", "2025-11-23"))
			c := r.begin(append([]string{"events", "--format", "{{.Name}}"}, test.arguments...)...)
			want := ""
			if test.past {
				want = "\nc1\nc1\nvol1\n"
			}
			if test.follows {
				r.waitForSubscriber()
				r.write("new")
				want += "new\n"
				c.out.expect(t, "new\n")
				checkCode(t, c.end(t), exitSignal+2)
			} else {
				checkCode(t, c.wait(t), exitOK)
			}
			check(t, "stdout", c.out.String(), want)
			check(t, "stderr", c.errs.String(), "")
		})
	}
}

func TestEvents_live(t *testing.T) {
	r := newRig(t, "")
	c := r.begin("events", "--filter", "type=volume")
	r.waitForSubscriber()
	r.write("one")
	c.out.expect(t, "volume create one\n")
	r.write("two")
	c.out.expect(t, "volume create two\n")
	c.end(t)
}

func TestEvents_podmanAppends(t *testing.T) {
	r := newRig(t, sample)
	c := r.begin("events")
	r.waitForSubscriber()
	log, err := os.OpenFile(r.log(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.WriteString(`{"Name":"late","Status":"create","Time":"2026-11-23T12:45:41Z","Type":"volume","Attributes":null}` + "\n"); err != nil {
		t.Fatal(err)
	}
	c.out.expect(t, "2026-11-23 12:45:41 +0000 UTC volume create late\n")
	c.end(t)
}

func TestEvents_errorsOfTheService(t *testing.T) {
	r := newRig(t, sample)
	for _, test := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"Filter", []string{"--filter", "tpye=x"}, `eventsvc: cannot understand filter "tpye=x": unknown key "tpye", did you mean "type"?`},
		{"Time", []string{"--since", "overmorrow"}, `eventsvc: cannot understand since "overmorrow": `},
		{"Cursor", []string{"--after-cursor", "no!cursor"}, `eventsvc: cannot understand cursor "no!cursor": `},
		{"Flag", []string{"--if-expired", "maybe"}, "eventsvc: cannot use --if-expired maybe: "},
	} {
		for _, stream := range []string{"--stream=true", "--stream=false"} {
			t.Run(test.name+" "+stream, func(t *testing.T) {
				_, stderr, code := r.run(append([]string{"events", stream}, test.arguments...)...)
				checkCode(t, code, exitError)
				if !strings.HasPrefix(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("stderr is %q, want a line that begins with %q", stderr, test.want)
				}
			})
		}
	}
}

// What events hold cannot add a line, or steer what shows it, wherever the line
// goes.
func TestEvents_forgedLines(t *testing.T) {
	evil := "x\n2026-11-23 16:15:21.1 +0000 UTC container died forged (image=evil)\n\x1b[2J\u009b\u202e\u2028\u200b"
	line := func(member string) string {
		text, err := json.Marshal(evil)
		if err != nil {
			t.Fatal(err)
		}
		return `{"ID":"i","Image":"m","Name":"n","Status":"pull-error","Time":"2026-11-23T12:45:39Z","Type":"image",` + member + string(text) + "}\n"
	}
	r := newRig(t, line(`"error":`)+strings.Replace(line(`"Name":`), `"Name":"n",`, "", 1)+
		line(`"Attributes":{"note":`)[:len(line(`"Attributes":{"note":`))-2]+"}}\n"+
		strings.Replace(line(`"health_log":`), "pull-error", "health_status", 1))
	shown := `x\n2026-11-23 16:15:21.1 +0000 UTC container died forged (image=evil)\n\x1b[2J\u009b\u202e\u2028\u200b`
	for _, format := range []string{"", "{{.}}", "{{.ToHumanReadable false}}"} {
		arguments := []string{"events", "--stream=false"}
		if format != "" {
			arguments = append(arguments, "--format", format)
		}
		stdout, stderr, code := r.run(arguments...)
		checkCode(t, code, exitOK)
		if strings.Count(stdout, "\n") != 4 || strings.ContainsAny(stdout, "\x1b\u009b\u202e\u2028\u200b") || strings.Count(stdout, shown) < 2 {
			t.Errorf("format %q prints %+q and %q", format, stdout, stderr)
		}
	}
	stdout, _, _ := r.run("events", "--stream=false", "--format", nameFormat)
	check(t, "a template prints the name as it is", stdout, "n\n"+evil+"\nn\nn\n")
	_, stderr, _ := runIn(t.Context(), "exec", "--address", r.address, "--stream=false", "--", "false")
	if strings.Count(stderr, "\n") != 5 || strings.ContainsAny(stderr, "\x1b\u009b\u202e\u2028\u200b") {
		t.Errorf("exec says %+q", stderr)
	}
}
