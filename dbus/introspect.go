package dbus

import (
	_ "embed" // the introspection data
	"encoding/xml"
	"slices"
	"strings"
)

// The introspection data are written by hand. Their documentation strings are
// the manual of the interface.
var (
	//go:embed io.podman.Events1.xml
	eventsXML string
	//go:embed subscription.xml
	subscriptionXML string
	//go:embed standard.xml
	standardXML string
	//go:embed properties.xml
	propertiesXML string
)

const introspectionHead = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
`

// introspect answers with the description of an object and the names of the
// objects directly below it. Subscriptions are shown to their owner alone.
func (k *call) introspect(*decoder) error {
	e := newEncoder(nil)
	e.string(k.describe())
	return k.reply("s", e.bytes())
}

func (k *call) describe() string {
	var b strings.Builder
	b.WriteString(introspectionHead)
	b.WriteString(standardXML)
	switch {
	case k.path == eventsPath:
		b.WriteString(propertiesXML)
		b.WriteString(eventsXML)
	case strings.HasPrefix(k.path, subscriptionPath+"/"):
		b.WriteString(subscriptionXML)
	}
	for _, name := range k.children() {
		b.WriteString(`  <node name="`)
		_ = xml.EscapeText(&b, []byte(name))
		b.WriteString("\"/>\n")
	}
	b.WriteString("</node>\n")
	return b.String()
}

// children returns the names of the objects directly below that of the call.
func (k *call) children() []string {
	if k.path == subscriptionPath {
		k.conn.mu.Lock()
		defer k.conn.mu.Unlock()
		var tokens []string
		for token := range k.peer.subscriptions {
			tokens = append(tokens, token)
		}
		slices.Sort(tokens)
		return tokens
	}
	below, ok := strings.CutPrefix(subscriptionPath, strings.TrimSuffix(k.path, "/")+"/")
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(below, "/")
	return []string{name}
}
