package access

// rules say who is allowed more than other users.
type rules struct{ readers, writers Allowed }

// Allow replaces Readers and Writers from now on. It may be called while the
// policy is in use. Who has acted on what was decided before learns of it by
// OnChange.
func (p *Policy) Allow(readers, writers Allowed) {
	p.replaced.Store(&rules{readers, writers})
	if changed := p.changed.Load(); changed != nil {
		(*changed)()
	}
}

// OnChange has a function called after each call of Allow.
func (p *Policy) OnChange(changed func()) { p.changed.Store(&changed) }

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
