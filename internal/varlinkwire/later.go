package varlinkwire

// later is calls of one method that are answered together: those that the client had
// sent before the first was answered. No call waits for others to arrive.
type later struct {
	method string
	calls  []*Call
	items  []any
	finish func(items []any) error
}

// maxLater is how many calls are postponed at most, so that the first is not delayed by
// too many others.
const maxLater = 256

// Later is for a method whose calls cost less together. Its handler returns without a
// reply, and finish answers this call and those of the same method that follow it in
// the buffer, in order: it gets the item of each. It is called before anything else is
// read from the client, or sent to it.
func (c *Call) Later(item any, finish func(items []any) error) error {
	l := &c.conn.later
	l.method, l.finish, c.isLater = c.method, finish, true
	l.calls, l.items = append(l.calls, c), append(l.items, item)
	if len(l.calls) == maxLater {
		return c.conn.endLater()
	}
	return nil
}

// endLater answers the postponed calls, in one write. After an error the connection has
// to end.
func (c *conn) endLater() error {
	l := c.later
	if len(l.calls) == 0 {
		return nil
	}
	c.later = later{}
	for _, call := range l.calls {
		call.isLater = false
	}
	c.out.gather = len(l.calls) > 1
	err := c.guard(func() error { return l.finish(l.items) }, l.calls...)
	if sendErr := c.out.sendGathered(); err == nil {
		err = sendErr
	}
	return err
}
