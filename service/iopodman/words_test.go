package iopodman

import (
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/nearest"
)

// The words of old clients are words of the vocabulary.
func TestWords_vocabulary(t *testing.T) {
	for _, word := range clientTypes {
		if typ, err := events.StringToType(word); err != nil || string(typ) != word {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, word := range clientStatuses {
		if status, err := events.StringToStatus(word); err != nil || string(status) != word {
			t.Errorf("%s: %v", word, err)
		}
	}
	if len(clientTypes) != 5 || len(clientStatuses) != 31 || !slices.IsSorted(clientTypes) || slices.Contains(clientStatuses, "auto-update") {
		t.Errorf("%q, %q", clientTypes, clientStatuses)
	}
}

// The nearest word is the one that is meant.
func TestWords_nearest(t *testing.T) {
	words := append(slices.Clone(clientStatuses), filterKeys...)
	for word, want := range map[string]string{
		"strat": "start", "creat": "create", "die": "died", "contianer": "container", "volumes": "volume", "labels": "", "xyzzy": "", "": "",
		"unpuase": "unpause", strings.Repeat("start", 20): "", "évent": "event",
	} {
		if got := nearest.Word(word, words); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
