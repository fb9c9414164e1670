package access

// rules are the users and groups that may do more than others.
type rules struct{ readers, writers Allowed }

// Allow replaces Readers and Writers from now on. It may be called while the policy is
// in use. Code that acts on earlier decisions is notified by OnChange.
func (p *Policy) Allow(readers, writers Allowed) {
	p.replaced.Store(&rules{readers, writers})
	if changed := p.changed.Load(); changed != nil {
		(*changed)()
	}
}

// OnChange sets a function that is called after each call of Allow.
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
