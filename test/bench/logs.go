package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/eventsvc/eventsvc/test/imitate"
)

// seed makes every run use the same log.
const seed = 7

// log is a generated log.
type log struct {
	imitate.Log
	path string
}

// generate returns a log with that number of events, which the first call creates.
func (b *bench) generate(events int) (*log, error) {
	if l := b.logs[events]; l != nil {
		return l, nil
	}
	l := &log{path: filepath.Join(b.dir, fmt.Sprintf("events-%d.log", events))}
	var err error
	if l.Log, err = generateAt(l.path, events, os.O_CREATE|os.O_TRUNC); err != nil {
		return nil, err
	}
	b.logs[events] = l
	return l, nil
}

func generateAt(path string, events, flags int) (imitate.Log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|flags, 0o600)
	if err != nil {
		return imitate.Log{}, err
	}
	made, err := imitate.Generate(f, events, seed)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return made, err
}

// dropLog deletes a log that takes much space.
func (b *bench) dropLog(l *log) {
	_ = os.Remove(l.path)
	delete(b.logs, l.Events)
}

// newerThan returns a time that about that many of the last events are newer than: the
// time of the event before them, as it is in the log.
func newerThan(path string, events int) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	tail := make([]byte, min(info.Size(), int64(events+1)*1024))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimSuffix(tail, []byte{'\n'}), []byte{'\n'})
	if len(lines) < events+2 { // the first may be incomplete
		return "", fmt.Errorf("cannot find the last %d events of %s", events, path)
	}
	var event struct{ Time time.Time }
	if err := json.Unmarshal(lines[len(lines)-1-events], &event); err != nil {
		return "", err
	}
	return event.Time.Format(time.RFC3339Nano), nil
}
