package logfile

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Garbage between events is not kept in memory.
func TestMemory_garbage(t *testing.T) {
	for name, garbage := range map[string]string{
		"empty lines": strings.Repeat("\n", chunkSize-1000), "a long line": strings.Repeat("x", chunkSize-1000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.log")
			w := open(t, path, Options{})
			heap := func() uint64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			before := heap()
			const rounds = 40
			for n := range rounds {
				appendTo(t, path, lineOf(n)+garbage)
				if err := w.Look(); err != nil {
					t.Fatal(err)
				}
			}
			equal(t, "followed", w.names(rounds), namesOf(0, rounds))
			if after := heap(); after > before+rounds*chunkSize/4 {
				t.Errorf("%d events keep %d bytes", rounds, after-before)
			}
			runtime.KeepAlive(w)
		})
	}
}
