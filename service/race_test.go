//go:build race

package service

// raceEnabled reports that the race detector's memory counts, too.
const raceEnabled = true
