//go:build race

package service

// raceEnabled tells that the race detector's memory counts, too.
const raceEnabled = true
