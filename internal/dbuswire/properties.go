package dbuswire

import "slices"

func (o *Object) hasProperties() bool {
	return slices.ContainsFunc(o.Interfaces, func(i *Interface) bool { return len(i.Properties) > 0 })
}

// propertyMethods is the interface Properties of an object.
func propertyMethods(o *Object) *Interface {
	return &Interface{Name: PropertiesInterface, Methods: map[string]Method{
		"Get":    {Signature: "ss", Handle: o.get},
		"GetAll": {Signature: "s", Handle: o.getAll},
		"Set":    {Signature: "ssv", Handle: o.set},
	}}
}

// get handles Properties.Get.
func (o *Object) get(k *Call, d *Decoder) error {
	iface, name := d.Text(), d.Text()
	if err := d.Done(); err != nil {
		return err
	}
	i, p, err := o.property(iface, name)
	if err != nil {
		return err
	}
	if err := i.mayGet(k); err != nil {
		return err
	}
	e := NewEncoder(nil)
	e.Signature(p.Signature)
	p.Encode(k, &e)
	return k.Reply("v", e.Bytes())
}

// getAll handles Properties.GetAll. The standard interfaces have no properties.
func (o *Object) getAll(k *Call, d *Decoder) error {
	iface := d.Text()
	if err := d.Done(); err != nil {
		return err
	}
	e := NewEncoder(nil)
	a := e.Begin(8)
	known := iface == "" || isStandard(iface)
	for _, i := range o.Interfaces {
		if iface != "" && iface != i.Name {
			continue
		}
		known = true
		if err := i.mayGet(k); err != nil {
			return err
		}
		for n := range i.Properties {
			p := &i.Properties[n]
			if p.Explicit {
				continue
			}
			e.Entry(p.Name, p.Signature)
			p.Encode(k, &e)
		}
	}
	if !known {
		return &Error{ErrUnknownInterface, "the object has no interface " + Shorten(iface)}
	}
	e.End(a)
	return k.Reply("a{sv}", e.Bytes())
}

// set handles Properties.Set: no property can be set.
func (o *Object) set(_ *Call, d *Decoder) error {
	iface, name := d.Text(), d.Text()
	d.Skip(d.Signature())
	if err := d.Done(); err != nil {
		return err
	}
	if _, _, err := o.property(iface, name); err != nil {
		return err
	}
	return &Error{ErrReadOnly, "the property " + name + " cannot be set"}
}

func (i *Interface) mayGet(k *Call) error {
	if i.MayGet == nil {
		return nil
	}
	return i.MayGet(k)
}

func isStandard(iface string) bool {
	return iface == IntrospectableInterface || iface == PeerInterface || iface == PropertiesInterface
}

// property finds a property. A call may omit the interface.
func (o *Object) property(iface, name string) (*Interface, *Property, error) {
	if isStandard(iface) {
		return nil, nil, &Error{ErrUnknownProperty, "the interface " + iface + " has no properties"}
	}
	known := iface == ""
	for _, i := range o.Interfaces {
		if iface != "" && iface != i.Name {
			continue
		}
		known = true
		for n := range i.Properties {
			if i.Properties[n].Name == name {
				return i, &i.Properties[n], nil
			}
		}
	}
	if !known {
		return nil, nil, &Error{ErrUnknownInterface, "the object has no interface " + Shorten(iface)}
	}
	return nil, nil, &Error{ErrUnknownProperty, "there is no property '" + Shorten(name) + "'"}
}
