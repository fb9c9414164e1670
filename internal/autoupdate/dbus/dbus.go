// Package dbus is the D-Bus interface io.podman.AutoUpdate1, on the object
// /io/podman/AutoUpdate1 under the bus name io.podman.AutoUpdate1: a decoder and an
// encoder. Package calls carries out the calls; package dbuswire is the connection to
// the bus.
//
// A call that begins a run returns the run's ID at once. The run's steps are sent as
// signals, to the caller only.
package dbus

import (
	"context"
	_ "embed" // the introspection data
	"log/slog"
	"strings"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/activity"
	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/internal/autoupdate/calls"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

const (
	name = "io.podman.AutoUpdate1" // of the bus name, too
	path = "/io/podman/AutoUpdate1"
)

// maxUnits is how many units a call may name.
const maxUnits = 1000

// The introspection data are written by hand; a test compares them with the table
// of methods.
//
//go:embed io.podman.AutoUpdate1.xml
var introspection string

// server answers the calls.
type server struct {
	calls   *calls.Calls
	version string
}

// New returns a service that owns the name on a bus while its Run is running.
func New(c *calls.Calls, bus, version string, counter activity.Counter, log *slog.Logger) (*dbuswire.Service, error) {
	s := &server{c, version}
	own := s.interfaceOf()
	return dbuswire.New(dbuswire.Options{
		Bus: bus, Name: name, Logger: log, Activity: counter, Once: bus == dbuswire.StarterBus,
		Fault:     func(err error, _ *dbuswire.Peer) *dbuswire.Error { return spell(err, "") },
		IsTrusted: func(p *dbuswire.Peer) bool { return c.Policy.IsTrusted((*access.Peer)(&p.Credentials)) },
		Account:   func(p *dbuswire.Peer) uint32 { return c.Policy.Account(p.UID) },
		Object: func(k *dbuswire.Call) *dbuswire.Object {
			switch {
			case k.Path == path:
				return &dbuswire.Object{Interfaces: []*dbuswire.Interface{own}, XML: introspection}
			case k.Path == "/", strings.HasPrefix(path, k.Path+"/"):
				below, _, _ := strings.Cut(strings.TrimPrefix(path, strings.TrimSuffix(k.Path, "/")+"/"), "/")
				return &dbuswire.Object{Children: []string{below}}
			}
			return nil
		},
	})
}

// interfaceOf returns the interface.
func (s *server) interfaceOf() *dbuswire.Interface {
	may := func(k *dbuswire.Call) error { return s.calls.May((*access.Peer)(&k.Peer().Credentials)) }
	method := func(signature string, acts bool, handle func(*dbuswire.Call, *dbuswire.Decoder) error) dbuswire.Method {
		return dbuswire.Method{Signature: signature, Acts: acts, Handle: func(k *dbuswire.Call, d *dbuswire.Decoder) error {
			if err := may(k); err != nil {
				return &dbuswire.Error{Name: dbuswire.ErrAccessDenied, Message: err.Error()}
			}
			return handle(k, d)
		}}
	}
	return &dbuswire.Interface{
		Name: name,
		Methods: map[string]dbuswire.Method{
			"List":     method("", false, s.list),
			"Check":    method("asa{sv}", false, s.check),
			"Update":   method("asa{sv}", true, s.update),
			"Rollback": method("s", true, s.rollback),
			"Hold":     method("ss", true, s.hold),
			"Release":  method("s", true, s.release),
			"GetRuns":  method("", false, s.getRuns),
		},
		Properties: []dbuswire.Property{{Name: "Version", Signature: "s", Encode: func(_ *dbuswire.Call, e *dbuswire.Encoder) {
			e.Text(dbuswire.CleanText(s.version))
		}}},
		MayGet: may,
	}
}

// spell turns an error into a D-Bus error, for a call about a unit or an image.
func spell(err error, subject string) *dbuswire.Error {
	if errors.Is(err, dbuswire.ErrStopping) {
		err = errors.New("the service is stopping; try again later")
	}
	f := calls.FaultOf(err, subject)
	return &dbuswire.Error{Name: name + ".Error." + f.Name, Message: f.Message}
}

// aside carries out what may take long, while the user's other calls continue.
func aside[T any](k *dbuswire.Call, subject string, do func() (T, error)) (result T, err error) {
	gone := k.Aside(func() { result, err = do() })
	if err != nil {
		return result, spell(err, subject)
	}
	return result, gone
}

// arguments reads units and options to the end of the body.
func arguments(d *dbuswire.Decoder, table map[string]string) ([]string, dbuswire.Values, error) {
	units := d.Texts(maxUnits + 1)
	o, err := d.Options("option", table)
	if err == nil {
		err = d.Done()
	}
	if err == nil && len(units) > maxUnits {
		err = dbuswire.InvalidArgs("there are more than 1000 units; name fewer, or none for all")
	}
	return units, o, err
}

func (s *server) list(k *dbuswire.Call, d *dbuswire.Decoder) error {
	if err := d.Done(); err != nil {
		return err
	}
	all, err := aside(k, "", func() ([]autoupdate.Managed, error) { return s.calls.List(k.Context()) })
	if err != nil {
		return err
	}
	e := dbuswire.NewEncoder(nil)
	appendContainers(&e, all)
	return k.Reply("aa{sv}", e.Bytes())
}

func (s *server) check(k *dbuswire.Call, d *dbuswire.Decoder) error {
	units, o, err := arguments(d, map[string]string{"auth_file": "s"})
	if err != nil {
		return err
	}
	report, err := aside(k, "", func() (autoupdate.Report, error) { return s.calls.Check(k.Context(), units, o["auth_file"].Text) })
	if err != nil {
		return err
	}
	e := dbuswire.NewEncoder(nil)
	appendOutcomes(&e, report.Results)
	return k.Reply("aa{sv}", e.Bytes())
}

func (s *server) update(k *dbuswire.Call, d *dbuswire.Decoder) error {
	units, o, err := arguments(d, map[string]string{"pull_only": "b", "rollback": "b", "auth_file": "s", "beside_podman": "b"})
	if err != nil {
		return err
	}
	rollback, given := o["rollback"]
	return s.follow(k, "", func() (*calls.Run, error) {
		return s.calls.Update(autoupdate.Options{
			Units: units, PullOnly: o["pull_only"].Truth, NoRollback: given && !rollback.Truth, AuthFile: o["auth_file"].Text,
			BesidePodman: o["beside_podman"].Truth,
		})
	})
}

func (s *server) rollback(k *dbuswire.Call, d *dbuswire.Decoder) error {
	unit := d.Text()
	if err := d.Done(); err != nil {
		return err
	}
	return s.follow(k, unit, func() (*calls.Run, error) { return s.calls.Rollback(unit) })
}

// follow begins a run, replies with its ID, and sends the caller its steps.
func (s *server) follow(k *dbuswire.Call, subject string, begin func() (*calls.Run, error)) error {
	r, err := aside(k, subject, begin)
	if err != nil {
		return err
	}
	e := dbuswire.NewEncoder(nil)
	e.Text(r.ID)
	if err := k.Reply("s", e.Bytes()); err != nil {
		return err
	}
	k.Conn().Go(func() { send(k, r, subject) })
	return nil
}

// send sends the steps of a run and its result, unless the caller has disconnected.
func send(k *dbuswire.Call, r *calls.Run, subject string) {
	flow := k.Peer().NewFlow()
	signal := func(member, signature string, e *dbuswire.Encoder) error {
		message := dbuswire.AppendMessage(nil, &dbuswire.Header{
			Kind: godbus.TypeSignal, Flags: godbus.FlagNoReplyExpected, Serial: k.Conn().Serial(), Path: path, Interface: name,
			Member: member, Destination: k.Sender, Signature: signature,
		}, e.Bytes())
		flow.Count(len(message))
		return flow.Send(k.Context(), message)
	}
	for {
		var step autoupdate.Step
		var more bool
		select {
		case step, more = <-r.Steps:
		case <-k.Context().Done():
			if !errors.Is(context.Cause(k.Context()), dbuswire.ErrStopping) {
				return
			}
			step, more = <-r.Steps // it is interrupted, and ends soon
		}
		e := dbuswire.NewEncoder(nil)
		e.Text(r.ID)
		if more {
			e.Text(step.Name)
			e.Text(dbuswire.CleanText(step.Object))
			e.Uint64(uint64(step.For.Microseconds()))
			if signal("Progress", "ssst", &e) != nil {
				return
			}
			continue
		}
		report, err := r.Result()
		wrong := new(dbuswire.Error)
		if err != nil {
			wrong = spell(err, subject)
		}
		e.Uint32(uint32(report.ExitCode()))
		appendOutcomes(&e, report.Results)
		e.Text(wrong.Name)
		e.Text(dbuswire.CleanText(wrong.Message))
		_ = signal("Finished", "suaa{sv}ss", &e)
		return
	}
}

func (s *server) hold(k *dbuswire.Call, d *dbuswire.Decoder) error {
	image, digest := d.Text(), d.Text()
	if err := d.Done(); err != nil {
		return err
	}
	return s.act(k, image, func() error { return s.calls.Hold(k.Context(), image, digest) })
}

func (s *server) release(k *dbuswire.Call, d *dbuswire.Decoder) error {
	image := d.Text()
	if err := d.Done(); err != nil {
		return err
	}
	return s.act(k, image, func() error { return s.calls.Release(k.Context(), image) })
}

// act carries out a call whose reply is empty.
func (s *server) act(k *dbuswire.Call, subject string, do func() error) error {
	if _, err := aside(k, subject, func() (struct{}, error) { return struct{}{}, do() }); err != nil {
		return err
	}
	return k.Reply("", nil)
}

func (s *server) getRuns(k *dbuswire.Call, d *dbuswire.Decoder) error {
	if err := d.Done(); err != nil {
		return err
	}
	reports, holds, err := s.calls.Runs()
	if err != nil {
		return spell(err, "")
	}
	e := dbuswire.NewEncoder(nil)
	appendRuns(&e, reports)
	appendHolds(&e, holds)
	return k.Reply("aa{sv}aa{sv}", e.Bytes())
}
