package test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// updateBesidePodman compares with what Podman's own auto-update prints, and the state
// that it leaves, in the cases that docs/auto-update.md lists.
func updateBesidePodman(l *lab) {
	podmans := func(want map[string]string) {
		l.t.Helper()
		out := l.run("podman", "auto-update", "--format", "json") // exit code 0, in all of these cases
		out = out[strings.Index(out, "["):]
		var all []struct{ ContainerName, Updated string }
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&all); err != nil {
			l.t.Fatalf("%v: %s", err, out)
		}
		got := make(map[string]string)
		for _, r := range all {
			got[r.ContainerName] = r.Updated
		}
		for name, updated := range want {
			if got[name] != updated {
				l.t.Errorf("podman says %q of %s, want %q", got[name], name, updated)
			}
		}
	}
	kinds := []struct{ name, image, container, says string }{
		{"pgood", "good", healthCheck, "true"},
		{"pexit", "exit", "", "true"},
		{"psick", "sick", healthCheck, "true"},
		{"pnotify", "sick", "Notify=healthy\n" + healthCheck, "rolled back"},
	}
	var units []quadlet
	var names []string
	says, versions := make(map[string]string), make(map[string]int)
	for _, k := range kinds {
		l.push(k.name, "good")
		names = append(names, k.name)
		units = append(units, quadlet{name: k.name, image: goodRegistry + "/" + k.name + ":latest", container: k.container})
		says[k.name] = k.says
	}
	l.start(units...)
	for _, k := range kinds {
		l.push(k.name, k.image)
		versions[k.name] = l.version
	}
	podmans(says)
	for name, want := range map[string]int{"pgood": versions["pgood"], "psick": versions["psick"], "pnotify": versions["pnotify"] - len(kinds)} {
		if got := l.versionOf(name); got != fmt.Sprint(want) {
			l.t.Errorf("%s runs version %q, want %d", name, got, want)
		}
	}
	l.eventually("inactive", "sh", "-c", "systemctl is-active pexit | sed s/failed/inactive/")
	before := l.property("pnotify", "InvocationID")
	podmans(map[string]string{"pnotify": "rolled back"}) // the same bad image once more
	if l.property("pnotify", "InvocationID") == before {
		l.t.Error("podman has not tried the bad image again")
	}
	l.clear(names...)

	// Units that require a unit that is rolled back stay stopped.
	l.push("pdb", "good")
	l.push("pweb", "good")
	l.start(quadlet{name: "pdb", image: goodRegistry + "/pdb:latest", container: healthCheck + "Notify=healthy\n"},
		quadlet{name: "pweb", image: goodRegistry + "/pweb:latest", unit: "Requires=pdb.service\nAfter=pdb.service\n"})
	l.push("pdb", "sick")
	podmans(map[string]string{"pdb": "rolled back", "pweb": "false"})
	if out, err := l.try("systemctl", "is-active", "pweb"); err == nil {
		l.t.Errorf("podman leaves the unit that needs it %s", out)
	}
	l.clear("pweb", "pdb")
}
