package access

// rules are who is allowed more than everybody is.
type rules struct{ readers, writers Allowed }

// Allow replaces Readers and Writers from now on. It may be called while the
// policy is in use. What was decided before, as whose events a subscription
// gets, stays as it is.
func (p *Policy) Allow(readers, writers Allowed) { p.replaced.Store(&rules{readers, writers}) }

func (p *Policy) readers() *Allowed {
	if r := p.replaced.Load(); r != nil {
		return &r.readers
	}
	return &p.Readers
}

func (p *Policy) writers() *Allowed {
	if r := p.replaced.Load(); r != nil {
		return &r.writers
	}
	return &p.Writers
}
