package service

import (
	"reflect"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// slowly makes the event of a call of WriteEvent on the way that every other
// call takes.
func slowly(s *schema, frame []byte, now time.Time) (e events.Event, ok bool) {
	r, err := parseRequest(frame)
	if err != nil || !r.isWriteEvent() || r.more || r.oneway {
		return e, false
	}
	if _, ok := s.check(s.methods[writeEvent], r.parameters); !ok {
		return e, false
	}
	in := decodeNewEvent(r.parameters)
	e, err = newEvent(&in, now)
	return e, err == nil
}

func eventsSchema(tb testing.TB) *schema {
	s, err := parseSchema(iopodmanevents.VarlinkNew(nil).VarlinkGetDescription())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// call of WriteEvent with these members of its event.
func writeCall(event string) string {
	return `{"method":"io.podman.events.WriteEvent","parameters":{"event":{` + event + `}}}`
}

const leastEvent = `"type":"container","status":"died"`

// TestQuickly holds calls as programs write them, which are read in one pass,
// and calls that are not, which must not be.
func TestQuickly(t *testing.T) {
	s, now := eventsSchema(t), time.Now()
	for _, c := range []struct {
		name, frame string
		quick       bool
	}{
		{"every field", writeCall(leastEvent + `,"time":"2026-11-23T10:00:00.5+01:00","id":"a1","name":"web","image":"i","podId":"p","network":"n",` +
			`"exitCode":137,"healthStatus":"unhealthy","healthLog":"l","healthFailingStreak":2147483647,"error":"e","attributes":{"a":"b","c":""}`), true},
		{"white space", " { \"parameters\" : {\n\"event\" : { \"status\" : \"died\" ,\t\"type\":\"container\" , \"attributes\" : { } } } , \"method\" : \"io.podman.events.WriteEvent\" }\r\n", true},
		{"a word with an underscore", writeCall(`"type":"container","status":"auto_update"`), true},
		{"escapes, and letters that are not ASCII", writeCall(leastEvent + `,"name":"\"a\\\/\u00e9\ud83d\ude00é😀","attributes":{"\n":"\t"}`), true},
		{"half of a surrogate", writeCall(leastEvent + `,"name":"\ud83d"`), true},
		{"an escaped name of a member", writeCall(`"t\u0079pe":"pod","status":"kill"`), true},
		{"exit code 0", writeCall(leastEvent + `,"exitCode":0`), true},
		{"null", writeCall(leastEvent + `,"id":null`), false},
		{"more", `{"method":"io.podman.events.WriteEvent","more":true,"parameters":{"event":{` + leastEvent + `}}}`, false},
		{"oneway", `{"method":"io.podman.events.WriteEvent","parameters":{"event":{` + leastEvent + `}},"oneway":true}`, false},
		{"another method", `{"method":"io.podman.events.GetEvents","parameters":{"filters":["name=io.podman.events.WriteEvent"]}}`, false},
		{"no event", `{"method":"io.podman.events.WriteEvent","parameters":{}}`, false},
		{"two events", `{"method":"io.podman.events.WriteEvent","parameters":{"event":{` + leastEvent + `},"event":{` + leastEvent + `}}}`, false},
		{"no parameters", `{"method":"io.podman.events.WriteEvent"}`, false},
		{"no type", writeCall(`"status":"died"`), false},
		{"no status", writeCall(`"type":"pod"`), false},
		{"an unknown type", writeCall(`"type":"unknown","status":"died"`), false},
		{"libpod's word", writeCall(`"type":"container","status":"auto-update"`), false},
		{"a field twice", writeCall(leastEvent + `,"id":"a","id":"a"`), false},
		{"an attribute twice", writeCall(leastEvent + `,"attributes":{"a":"b","\u0061":"b"}`), false},
		{"an attribute without a name", writeCall(leastEvent + `,"attributes":{"":"b"}`), false},
		{"an unknown field", writeCall(leastEvent + `,"Id":"a"`), false},
		{"NUL", writeCall(leastEvent + `,"id":"\u0000"`), false},
		{"a control character", writeCall(leastEvent + ",\"id\":\"a\x01b\""), false},
		{"bytes that are no text", writeCall(leastEvent + ",\"id\":\"a\xff\""), false},
		{"an escape that is none", writeCall(leastEvent + `,"id":"\x41"`), false},
		{"exit code 256", writeCall(leastEvent + `,"exitCode":256`), false},
		{"exit code -1", writeCall(leastEvent + `,"exitCode":-1`), false},
		{"exit code 01", writeCall(leastEvent + `,"exitCode":01`), false},
		{"exit code 1.0", writeCall(leastEvent + `,"exitCode":1.0`), false},
		{"no exit code", writeCall(leastEvent + `,"exitCode":`), false},
		{"a streak too long", writeCall(leastEvent + `,"healthFailingStreak":2147483648`), false},
		{"a time that is none", writeCall(leastEvent + `,"time":"soon"`), false},
		{"a comma too many", writeCall(leastEvent + `,`), false},
		{"a comma too few", writeCall(`"type":"container" "status":"died"`), false},
		{"something after it", writeCall(leastEvent) + "x", false},
		{"cut off", writeCall(leastEvent)[:len(writeCall(leastEvent))-1], false},
		{"cut off in a string", writeCall(leastEvent)[:90], false},
		{"cut off in an escape", writeCall(leastEvent)[:90] + `\`, false},
		{"nothing", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e events.Event
			var m eventMemory
			if quick := readWriteEvent([]byte(c.frame), now, &e, &m); quick != c.quick {
				t.Fatalf("read in one pass: %v, want %v", quick, c.quick)
			}
			if want, ok := slowly(s, []byte(c.frame), now); c.quick && (!ok || !reflect.DeepEqual(e, want)) {
				t.Fatalf("the event is %+v, want %+v, %v", e, want, ok)
			}
		})
	}
}

// FuzzQuickly lets a client say anything: what is read in one pass is the event
// that it is on the long way too.
func FuzzQuickly(f *testing.F) {
	for _, seed := range []string{
		writeCall(leastEvent), writeCall(leastEvent + `,"time":"2026-11-23T10:00:00Z","exitCode":0,"attributes":{"a":"b","c":"\u0041"}`),
		writeCall(leastEvent + `,"name":"\ud83d\ude00","healthLog":"é","healthFailingStreak":2,"error":"x"`),
		writeCall(leastEvent + `,"id":"a","image":"b","podId":"c","network":"d","healthStatus":"e"`),
		` { "parameters" : { "event" : { "type":"pod" , "status":"kill" } } , "method":"io.podman.events.WriteEvent" } `,
	} {
		f.Add([]byte(seed))
	}
	s, now := eventsSchema(f), time.Now()
	f.Fuzz(func(t *testing.T, frame []byte) {
		var e events.Event
		var m eventMemory
		if !readWriteEvent(frame, now, &e, &m) {
			return
		}
		if want, ok := slowly(s, frame, now); !ok || !reflect.DeepEqual(e, want) {
			t.Fatalf("%q is read as %+v, and on the long way as %+v, %v", frame, e, want, ok)
		}
	})
}

// BenchmarkUnderstand makes the event of a call, in one pass and on the way that
// every other call takes.
func BenchmarkUnderstand(b *testing.B) {
	frame := []byte(writeCall(`"type":"container","status":"died","exitCode":0,` +
		`"id":"b1e15d4efac7ee5570d63fb9286af3b9cd0ef5f0573c1a61574d0a3b7b508596","image":"registry.example.org/shop3/web:1.17",` +
		`"name":"shop3_web_4711","attributes":{"com.docker.compose.project":"shop3","com.docker.compose.service":"web"}`))
	s, now := eventsSchema(b), time.Now()
	b.Run("one-pass", func(b *testing.B) {
		b.ReportAllocs()
		var m eventMemory
		for b.Loop() {
			var e events.Event
			if !readWriteEvent(frame, now, &e, &m) {
				b.Fatal("it was not understood")
			}
			m.clear()
		}
	})
	b.Run("long-way", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := slowly(s, frame, now); !ok {
				b.Fatal("it was not understood")
			}
		}
	})
}
