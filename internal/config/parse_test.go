package config

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestParse_line(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		line int
	}{
		"A key below its table":        {"# a comment\n\n[engine]\n# events_logger = \"none\"\n  events_logger = \"file\"\n", 5},
		"A dotted key":                 {"\nengine.events_logger = \"file\"\n", 2},
		"An inline table":              {"\n\nengine = {num_locks = 1, events_logger = \"file\"}\n", 3},
		"A quoted key":                 {"[engine]\n\"events_logger\" = 'file'\n", 2},
		"Names in another case":        {"[Engine]\nEvents_Logger = \"file\"\n", 2},
		"Lines that end in CR LF":      {"[engine]\r\n\r\nevents_logger = \"file\"\r\n", 3},
		"A text of many lines before":  {"[engine]\nx = \"\"\"\nevents_logger = \"none\"\n\"\"\"\nevents_logger = \"file\"\n", 5},
		"A table that is opened again": {"[engine.runtimes]\n[containers]\n[engine]\nevents_logger = \"file\"", 4},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := parse("x.conf", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			want := entry[string]{value: "file", origin: origin{file: "x.conf", line: test.line, key: "engine.events_logger"}}
			if found.logger != want {
				t.Errorf("found %+v, want %+v", found.logger, want)
			}
		})
	}
}

func TestParse_refuses(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"Error when a string is a number": {
			"[engine]\nevents_logger = 3\n",
			[]string{"cannot use engine.events_logger in x.conf:2: want a string, found an integer; write \"file\", \"journald\", \"none\""},
		},
		"Error when a path is a boolean": {
			"[engine]\nevents_logfile_path = true\n", []string{"engine.events_logfile_path in x.conf:2", "want a string, found a boolean"},
		},
		"Error when a path is an array": {
			"[engine]\ntmp_dir = [\"/tmp\"]\n", []string{"engine.tmp_dir in x.conf:2", "want a string, found an array"},
		},
		"Error when a word is a table": {
			"[engine.events_logger]\nx = 1\n", []string{"engine.events_logger in x.conf:1", "want a string, found a table"},
		},
		"Error when a word is a date": {
			"[engine]\nevents_logger = 2026-11-23\n", []string{"want a string, found a date or time"},
		},
		"Error when a size is a boolean": {
			"[engine]\nevents_logfile_max_size = true\n",
			[]string{"cannot use engine.events_logfile_max_size in x.conf:2: want a size, found a boolean; write bytes as 1000000"},
		},
		"Error when a size is no size": {
			"[engine]\nevents_logfile_max_size = \"1 mile\"\n", []string{`engine.events_logfile_max_size in x.conf:2: "1 mile" is not a size: the unit "mile" is unknown; write`},
		},
		"Error when a size is negative": {
			"[engine]\nevents_logfile_max_size = -1\n", []string{`"-1" is not a size`},
		},
		"Error when engine is no table": {
			"\nengine = \"file\"\n", []string{"cannot use engine in x.conf:2: it is not a table; write [engine]"},
		},
		"Error when engine is an array of tables": {
			"[[engine]]\nevents_logger = \"file\"\n", []string{"cannot use engine in x.conf:1: it is not a table"},
		},
		"Error when a table is not closed": {
			"[engine\nevents_logger = \"file\"\n", []string{"cannot parse x.conf:2:8: ", "; correct the file, Podman refuses it too"},
		},
		"Error when a key comes twice": {
			"[engine]\nevents_logger = \"file\"\nevents_logger = \"file\"\n", []string{"cannot parse x.conf:3:", "has already been defined; correct"},
		},
		"Error when the file holds a NUL": {
			"[engine]\nx = \"a\x00\"\n", []string{"cannot parse x.conf:"},
		},
		"Error when the file is not UTF-8": {
			"[engine]\nx = \"\xff\"\n", []string{"cannot parse x.conf:2:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := parse("x.conf", []byte(test.text))
			if err == nil {
				t.Fatalf("found %+v", found)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		`"1m"`: 1e6, `"10g"`: 10e9, `1000000`: 1e6, `0`: 0, `"0"`: 0, `"512"`: 512, `"512b"`: 512, `"1.5k"`: 1500,
		`"2 MB"`: 2e6, `"3KiB"`: 3000, `"1T"`: 1e12, `"1p"`: 1e15, `1.5`: 1, `1e6`: 1e6, `0x10`: 16,
	} {
		found, err := parse("x.conf", []byte("[engine]\nevents_logfile_max_size = "+text))
		if err != nil || !found.maxSize.isSet() || found.maxSize.value != want {
			t.Errorf("%s is %d (%v), want %d", text, found.maxSize.value, err, want)
		}
	}
	for _, text := range []string{`"m"`, `"-1"`, `"1mm"`, `"1bb"`, `"1kbit"`, `"1  m"`, `"1e3"`, `"."`, `" 1"`, `"1 2"`, `"99999p"`, `1e300`, `inf`, `nan`, `"0x10"`} {
		if found, err := parse("x.conf", []byte("[engine]\nevents_logfile_max_size = "+text)); err == nil {
			t.Errorf("%s is taken as %d", text, found.maxSize.value)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "[engine]\n", engineFile(`events_logger = "file"`, `events_logfile_path = "/x"`, `tmp_dir = "/t"`, `events_logfile_max_size = "1m"`),
		"engine.events_logger = 'none'", "engine = {events_logger = \"\"\"\nfile\"\"\"}", "[[engine]]\ntmp_dir=1", "[engine]\nevents_logfile_max_size = 1e3",
		"[Engine]\nEVENTS_LOGGER = \"\\u0066ile\"", "\xef\xbb\xbf[engine]\r\nevents_logger = ''", "[engine\n", "a = [1, {b = 2}]", "[engine.events_logger]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := parse("x.conf", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), "x.conf") {
				t.Errorf("the error is of no use: %v", err)
			}
			return
		}
		var anything map[string]any
		if _, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&anything); err != nil {
			t.Fatalf("accepted what is no TOML: %v", err)
		}
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, at := range []origin{found.logger.origin, found.path.origin, found.tmpDir.origin, found.maxSize.origin} {
			if at != (origin{}) && (at.line < 1 || at.line > lines) {
				t.Errorf("%v is not among %d lines", at, lines)
			}
		}
		if found.maxSize.value < 0 {
			t.Errorf("a size of %d", found.maxSize.value)
		}
	})
}

func TestReleases(t *testing.T) {
	for text, want := range map[string]Release{
		"podman version 4.3.1\n": {4, 3}, "podman version 5.8.0-dev": {5, 8}, "podman version 10.11": {10, 11},
		"podman version 4.9.4-rhel": {4, 9}, "podman": {}, "": {}, "99999.1": {},
	} {
		if got := parseRelease(text); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
	if (Release{}).String() != "unknown" || (Release{4, 3}).String() != "4.3" {
		t.Error("a release is not printed as 4.3, or as unknown")
	}
}

func TestErrors_cause(t *testing.T) {
	env := host{podman: "4.3.1", vars: map[string]string{"CONTAINERS_CONF": "/nowhere"}}.environment(t)
	if _, err := Discover(env); !isAbsent(err) {
		t.Errorf("%v is not recognised as an absent file", err)
	}
	var place toml.ParseError
	if errors.As(malformed("x", nil, toml.ParseError{Message: "m"}), &place) {
		t.Error("the decoder's type shows")
	}
}
