package dbus

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5/introspect"
)

// The introspection data describe the methods that there are.
func TestIntrospection_describesTheMethods(t *testing.T) {
	var described introspect.Interface
	if err := xml.Unmarshal([]byte(introspection), &described); err != nil {
		t.Fatal(err)
	}
	own := (&server{}).interfaceOf()
	if described.Name != own.Name || len(described.Methods) != len(own.Methods) || len(described.Properties) != len(own.Properties) {
		t.Errorf("%s: %d methods and %d properties are described, of %d and %d", described.Name, len(described.Methods),
			len(described.Properties), len(own.Methods), len(own.Properties))
	}
	for _, m := range described.Methods {
		var in strings.Builder
		for _, a := range m.Args {
			if a.Direction == "in" {
				in.WriteString(a.Type)
			}
		}
		if got := own.Methods[m.Name].Signature; got != in.String() {
			t.Errorf("%s takes %q, the introspection data say %q", m.Name, got, in.String())
		}
	}
}
