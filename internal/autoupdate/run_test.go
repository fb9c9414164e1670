package autoupdate

import (
	"errors"
	"maps"
	"testing"
	"time"
)

const image = "registry.test/app"

// outcomes are those of a report, by container.
func outcomes(r Report) map[string]Outcome {
	all := make(map[string]Outcome)
	for _, c := range r.Results {
		all[c.ContainerName] = c.Result
	}
	return all
}

func (w *world) want(o Options, code int, want map[string]Outcome) Report {
	w.t.Helper()
	r, err := w.run(o)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := outcomes(r); !maps.Equal(got, want) {
		w.t.Errorf("outcomes %v, want %v (%+v)", got, want, r.Results)
	}
	if r.ExitCode() != code {
		w.t.Errorf("exit code %d, want %d", r.ExitCode(), code)
	}
	return r
}

func TestRun_asksOncePerImage(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"a", "b", "c"} {
		w.add(n, image)
	}
	w.want(Options{}, 0, map[string]Outcome{"a": Unchanged, "b": Unchanged, "c": Unchanged})
	if w.asked != 1 {
		t.Errorf("asked the registry %d times, want once", w.asked)
	}
}

func TestRun_updatesAndTells(t *testing.T) {
	w := newWorld(t)
	w.add("a", image)
	w.registry[image] = "new"
	w.want(Options{DryRun: true}, 0, map[string]Outcome{"a": Pending})
	w.want(Options{}, 0, map[string]Outcome{"a": Updated})
	if n := len(w.events); n != 3 { // none of the dry run
		t.Fatalf("%d events, want begin, outcome and end", n)
	}
	if e := w.events[1]; e.Attributes["io.podman.autoupdate.result"] != "updated" || e.Attributes["io.podman.autoupdate.to"] != "sha256:new" {
		t.Errorf("the outcome has attributes %v", e.Attributes)
	}
}

// An image that fails in one unit is taken back in all, is not tried again, and
// the next one is.
func TestRun_rollsBackTheWholeImage(t *testing.T) {
	for _, kind := range []string{"exit", "sick"} {
		w := newWorld(t)
		for _, n := range []string{"a", "b", "c"} {
			w.add(n, image)
		}
		old := w.units["a"].imageID
		w.registry[image], w.bad["new"] = "new", kind
		w.want(Options{}, 3, map[string]Outcome{"a": RolledBack, "b": Held, "c": Held})
		for n, u := range w.units {
			if u.imageID != old || !u.active {
				t.Errorf("%s: unit %s runs %s, active %v", kind, n, u.imageID, u.active)
			}
		}
		w.restarted = nil
		w.want(Options{}, 0, map[string]Outcome{"a": Held, "b": Held, "c": Held})
		if len(w.restarted) > 0 {
			t.Errorf("%s: restarted %v for a digest on hold", kind, w.restarted)
		}
		w.registry[image] = "newer"
		w.want(Options{}, 0, map[string]Outcome{"a": Updated, "b": Updated, "c": Updated})
	}
}

func TestRun_holdsGrow(t *testing.T) {
	w := newWorld(t)
	w.add("a", image)
	w.registry[image], w.bad["new"] = "new", "exit"
	for _, days := range []int{1, 2, 4} {
		w.want(Options{}, 3, map[string]Outcome{"a": RolledBack})
		st := w.state()
		h := st.Holds[image]
		if got := time.Until(h.Until).Round(time.Hour); got != time.Duration(days)*24*time.Hour {
			t.Errorf("on hold for %v, want %d days", got, days)
		}
		h.Until = time.Now().Add(-time.Second)
		st.Holds[image] = h
		if err := (store{w.dir}).save(st); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRun_revivesDependants(t *testing.T) {
	w := newWorld(t)
	w.add("web", "registry.test/web")
	w.add("db", image).dependants = []string{"web"}
	w.registry[image], w.bad["new"] = "new", "exit"
	w.want(Options{}, 3, map[string]Outcome{"db": RolledBack, "web": Unchanged})
	if !w.units["web"].active {
		t.Error("a unit that needs the one that was rolled back is down")
	}
}

func TestRun_oneRegistryAway(t *testing.T) {
	w := newWorld(t)
	w.add("a", image)
	w.add("b", "other.test/app")
	w.registry[image], w.registry["other.test/app"] = "new", "new"
	w.away["other.test"] = true
	w.want(Options{}, 2, map[string]Outcome{"a": Updated, "b": Deferred})
}

func TestRun_registryLies(t *testing.T) {
	w := newWorld(t)
	old := w.add("a", image).imageID
	w.registry[image], w.lie = "new", "sha256:lie"
	w.want(Options{}, 2, map[string]Outcome{"a": Failed})
	if w.tags[image] != old || len(w.restarted) > 0 {
		t.Errorf("the name means %s, restarted %v; want nothing changed", w.tags[image], w.restarted)
	}
}

func TestRun_diskFull(t *testing.T) {
	w := newWorld(t)
	old := w.add("a", image).imageID
	w.registry[image], w.full = "new", true
	w.want(Options{}, 2, map[string]Outcome{"a": Failed})
	if w.tags[image] != old {
		t.Error("it pulled into a full disk")
	}
}

func TestRun_labels(t *testing.T) {
	w := newWorld(t)
	w.add("check", image, LabelMode, "check")
	w.add("young", image, LabelMinAge, "1h")
	w.add("wrong", image, LabelMode, "sometimes")
	w.add("off", image, LabelPolicy, "disabled")
	w.registry[image] = "new"
	w.want(Options{}, 2, map[string]Outcome{"check": Pending, "young": Pending, "wrong": Failed})
}

// A container that is normally only checked, or only pulled, is updated by a run that
// names its unit.
func TestRun_approvedByName(t *testing.T) {
	w := newWorld(t)
	w.add("look", image, LabelMode, "check")
	w.add("pull", image, LabelMode, "pull")
	w.registry[image] = "new"
	w.want(Options{}, 0, map[string]Outcome{"look": Pending, "pull": Pending})
	w.want(Options{Units: []string{"look"}}, 0, map[string]Outcome{"look": Updated})
	w.want(Options{Units: []string{"pull"}, PullOnly: true}, 0, map[string]Outcome{"pull": Pending})
	w.want(Options{Units: []string{"pull"}}, 0, map[string]Outcome{"pull": Updated})
}

func TestRun_noRollback(t *testing.T) {
	w := newWorld(t)
	w.add("a", image)
	w.registry[image], w.bad["new"] = "new", "exit"
	w.want(Options{NoRollback: true}, 4, map[string]Outcome{"a": Failed})
}

func TestRun_besidePodman(t *testing.T) {
	w := newWorld(t)
	w.podmanTimer = true
	if _, err := w.run(Options{}); !errors.Is(err, ErrBeside) {
		t.Errorf("error %v, want %v", err, ErrBeside)
	}
	w.want(Options{BesidePodman: true}, 0, map[string]Outcome{})
}

func TestRun_onlyOneAtATime(t *testing.T) {
	w := newWorld(t)
	release, err := store{w.dir}.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := w.run(Options{LockTime: time.Millisecond}); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v, want %v", err, ErrBusy)
	}
}

// A run that is killed at any call is put right by the next: all units of an image
// run the same one, the good new one or else the old one, and nothing is left open.
func TestRun_killedAtAnyCall(t *testing.T) {
	for _, kind := range []string{"", "exit", "sick"} {
		for kill := 1; ; kill++ {
			w := newWorld(t)
			for _, n := range []string{"a", "b", "c"} {
				w.add(n, image)
			}
			old := w.units["a"].imageID
			w.registry[image], w.bad["new"] = "new", kind
			w.kill = kill
			_, err := w.run(Options{})
			w.revive()
			if err == nil && kill > 1 {
				if kill < 20 {
					t.Fatalf("a run has only %d calls", kill)
				}
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			r, err := w.run(Options{LockTime: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Results) != len(w.units) {
				t.Errorf("%s image, killed at call %d: %d results, want one for each unit: %+v", kind, kill, len(r.Results), r.Results)
			}
			want := map[string]string{"": "new", "exit": old, "sick": old}[kind]
			for n, u := range w.units {
				if u.imageID != want || !u.active {
					t.Errorf("%s image, killed at call %d: unit %s runs %s, active %v, want %s: %+v", kind, kill, n, u.imageID, u.active, want, r.Results)
				}
			}
			if w.tags[image] != want {
				t.Errorf("%s image, killed at call %d: the name means %s, want %s", kind, kill, w.tags[image], want)
			}
			if left := w.state().Unfinished; len(left) > 0 {
				t.Errorf("%s image, killed at call %d: left %v", kind, kill, left)
			}
		}
	}
}

// A name that means no managed container is an error, and nothing is done; so is
// one that is empty, as of a variable that is not set.
func TestRun_unknownUnit(t *testing.T) {
	w := newWorld(t)
	w.add("a", image)
	w.registry[image] = "new"
	for _, name := range []string{"b", ""} {
		for _, dry := range []bool{true, false} {
			if r, err := w.run(Options{Units: []string{"a", name}, DryRun: dry}); err == nil {
				t.Errorf("with %q the outcome is %+v", name, r.Results)
			}
		}
	}
	w.want(Options{Units: []string{"a"}}, 0, map[string]Outcome{"a": Updated})
}

// A window that is closed, or that means nothing, keeps its own container from the
// new image.
func TestRun_window(t *testing.T) {
	w := newWorld(t)
	w.add("open", image, LabelWindow, "now")
	w.add("closed", image, LabelWindow, "never")
	w.add("wrong", image, LabelWindow, "wrong")
	w.registry[image] = "new"
	w.want(Options{}, 2, map[string]Outcome{"open": Updated, "closed": Pending, "wrong": Failed})
}

// A unit that is changed or removed while the others of its image are updated is
// the only one to fail, and says nothing about the image.
func TestRun_unitChangesMeanwhile(t *testing.T) {
	for _, vanish := range []bool{false, true} {
		w := newWorld(t)
		for _, n := range []string{"a", "b", "c"} {
			w.add(n, image)
		}
		w.registry[image] = "new"
		w.tags["registry.test/other"] = "other"
		w.atRestart = func(unit string) {
			if unit != "a" {
				return
			}
			if vanish {
				delete(w.units, "b")
			} else {
				w.units["b"].image = "registry.test/other"
			}
		}
		w.want(Options{}, 2, map[string]Outcome{"a": Updated, "b": Failed, "c": Updated})
		if st := w.state(); len(st.Holds) > 0 || len(st.Unfinished) > 0 {
			t.Errorf("vanish %v: left %+v", vanish, st)
		}
	}
}

// A unit that is stopped while the others of its image are updated is left so.
func TestRun_unitStopsMeanwhile(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"a", "b", "c"} {
		w.add(n, image)
	}
	w.registry[image] = "new"
	w.atRestart = func(unit string) {
		if unit == "a" {
			w.units["b"].active, w.units["b"].stopped = false, true
		}
	}
	w.want(Options{}, 2, map[string]Outcome{"a": Updated, "b": Failed, "c": Updated})
	if w.units["b"].active {
		t.Error("a unit that was stopped was started")
	}
}

// The containers of a pod are restarted with its unit, by jobs of their own.
func TestRun_waitsForPod(t *testing.T) {
	for kind, want := range map[string]Outcome{"": Updated, "exit": RolledBack} {
		w := newWorld(t)
		w.slow = true
		w.add("member", image, LabelUnit, "pod")
		w.add("pod", "localhost/infra", LabelPolicy, "").dependants = []string{"member"}
		w.registry[image], w.bad["new"] = "new", kind
		code := map[Outcome]int{Updated: 0, RolledBack: 3}[want]
		w.want(Options{}, code, map[string]Outcome{"member": want})
		if !w.units["member"].active {
			t.Errorf("%q image: the container does not run", kind)
		}
	}
}

// A time that was set while the clock was years ahead or behind blocks nothing for
// longer than allowed.
func TestRun_clockWasWrong(t *testing.T) {
	w := newWorld(t)
	w.add("a", image, LabelMinAge, "1s")
	w.registry[image] = "new"
	ahead := time.Now().AddDate(8, 0, 0)
	st := State{
		Holds: map[string]Hold{image: {Digest: "sha256:new", Until: ahead.Add(24 * time.Hour), Failures: 1}},
		Away:  map[string]time.Time{"registry.test": ahead.Add(time.Hour)},
		Seen:  map[string]Seen{image: {"sha256:new", ahead}},
	}
	if err := (store{w.dir}).save(st); err != nil {
		t.Fatal(err)
	}
	w.want(Options{}, 0, map[string]Outcome{"a": Pending})
	st = w.state()
	st.Seen[image] = Seen{"sha256:new", time.Now().Add(-time.Minute)}
	if err := (store{w.dir}).save(st); err != nil {
		t.Fatal(err)
	}
	w.want(Options{}, 0, map[string]Outcome{"a": Updated})
}

// A registry that asks to be left alone is not asked by the next runs, until that
// time is over.
func TestRun_registryAsksToWait(t *testing.T) {
	w := newWorld(t)
	w.add("a", image)
	w.add("b", "other.test/app")
	w.registry[image], w.registry["other.test/app"] = "new", "new"
	w.later = map[string]time.Duration{"other.test": time.Hour}
	w.want(Options{}, 2, map[string]Outcome{"a": Updated, "b": Deferred})
	asked := w.asked
	w.later = nil
	w.want(Options{}, 2, map[string]Outcome{"a": Unchanged, "b": Deferred})
	if w.asked != asked+1 {
		t.Error("it was asked again")
	}
	// A unit that is named is wanted now.
	w.want(Options{Units: []string{"b"}, DryRun: true}, 0, map[string]Outcome{"b": Pending})
	st := w.state()
	st.Away["other.test"] = time.Now().Add(-time.Second)
	if err := (store{w.dir}).save(st); err != nil {
		t.Fatal(err)
	}
	w.want(Options{}, 0, map[string]Outcome{"a": Unchanged, "b": Updated})
}

// Containers of one image name may have either policy, in any order.
func TestRun_bothPolicies(t *testing.T) {
	for _, names := range [][2]string{{"a", "b"}, {"b", "a"}} {
		w := newWorld(t)
		w.add(names[0], image, LabelPolicy, "local")
		w.add(names[1], image)
		w.registry[image] = "new"
		w.want(Options{}, 0, map[string]Outcome{names[0]: Unchanged, names[1]: Updated})
		w.want(Options{}, 0, map[string]Outcome{names[0]: Updated, names[1]: Unchanged}) // the name means the new one now

		w.registry[image], w.tags[image] = "newer", "built"
		w.want(Options{}, 0, map[string]Outcome{names[0]: Updated, names[1]: Updated})
		if a, b := w.units["a"].imageID, w.units["b"].imageID; a != "newer" || b != "newer" {
			t.Errorf("they run %s and %s, want newer", a, b)
		}
	}
}

// An image of policy local is not pulled by the run that puts a killed one right.
func TestRun_killedLocal(t *testing.T) {
	const local = "localhost/app"
	for kill := 1; ; kill++ {
		w := newWorld(t)
		w.add("a", local, LabelPolicy, "local")
		w.tags[local] = "new"
		w.kill = kill
		_, err := w.run(Options{})
		w.revive()
		if err == nil {
			return
		}
		w.registry[local] = "pulled"
		if _, err := w.run(Options{LockTime: time.Second}); err != nil {
			t.Fatal(err)
		}
		if u := w.units["a"]; u.imageID != "new" || !u.active || w.tags[local] != "new" {
			t.Errorf("killed at call %d: it runs %s, the name means %s, want new", kill, u.imageID, w.tags[local])
		}
	}
}

// A unit that a killed run left down can be named.
func TestRun_namesUnitThatIsDown(t *testing.T) {
	w := newWorld(t)
	w.add("a", image)
	st := State{Unfinished: map[string]Unfinished{image: {OldID: w.units["a"].imageID, To: "sha256:new", Units: []string{"a"}, Policy: PolicyRegistry}}}
	if err := (store{w.dir}).save(st); err != nil {
		t.Fatal(err)
	}
	w.registry[image], w.units["a"].active = "new", false
	w.want(Options{Units: []string{"a"}}, 0, map[string]Outcome{"a": Updated})
}
