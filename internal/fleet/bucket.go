package fleet

import "time"

// bucket limits the work for one user: some bytes at once, and then so many each
// second.
type bucket struct {
	most, each float64
	used       float64
	last       time.Time
}

func (b *bucket) take(n int) {
	now := time.Now()
	b.used = max(0, b.used-b.each*now.Sub(b.last).Seconds()) + float64(n)
	b.last = now
}

// wait returns how long to wait until more is allowed.
func (b *bucket) wait() time.Duration {
	over := b.used - b.most - b.each*time.Since(b.last).Seconds()
	if over <= 0 {
		return 0
	}
	return time.Duration(over / b.each * float64(time.Second))
}
