package dbuswire

import (
	_ "embed" // the introspection data of the interfaces of D-Bus itself
	"encoding/xml"
	"strings"
)

var (
	//go:embed standard.xml
	standardXML string
	//go:embed properties.xml
	propertiesXML string
)

const introspectionHead = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
`

// introspectMethods is the interface Introspectable of an object.
func introspectMethods(object *Object) *Interface {
	return &Interface{Name: IntrospectableInterface, Methods: map[string]Method{
		"Introspect": {Handle: func(k *Call, _ *Decoder) error {
			e := NewEncoder(nil)
			e.Text(object.describe())
			return k.Reply("s", e.Bytes())
		}},
	}}
}

// describe returns the introspection data of the object.
func (o *Object) describe() string {
	var b strings.Builder
	b.WriteString(introspectionHead)
	b.WriteString(standardXML)
	if o.hasProperties() {
		b.WriteString(propertiesXML)
	}
	b.WriteString(o.XML)
	for _, name := range o.Children {
		b.WriteString(`  <node name="`)
		_ = xml.EscapeText(&b, []byte(name))
		b.WriteString("\"/>\n")
	}
	b.WriteString("</node>\n")
	return b.String()
}
