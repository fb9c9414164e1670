package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
)

// docString is the annotation with documentation in introspection data.
const docString = "org.gtk.GDBus.DocString"

// node is an element of introspection data: an interface, a member of one, or an
// argument. (godbus's introspect package drops the documentation of arguments.)
type node struct {
	Name       string `xml:"name,attr"`
	Type       string `xml:"type,attr"`
	Direction  string `xml:"direction,attr"`
	Interfaces []node `xml:"interface"`
	Methods    []node `xml:"method"`
	Signals    []node `xml:"signal"`
	Properties []node `xml:"property"`
	Args       []node `xml:"arg"`
	Notes      []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"annotation"`
}

func (n *node) documentation() string {
	for _, a := range n.Notes {
		if a.Name == docString {
			return a.Value
		}
	}
	return ""
}

// dbusPage makes the page of a D-Bus interface from its introspection data: those
// of the object and of its subscriptions.
func dbusPage(d described) (page, error) {
	var r roff
	title := ""
	for _, file := range d.files {
		text, err := os.ReadFile(file)
		if err != nil {
			return page{}, err
		}
		var top node
		if err := xml.Unmarshal([]byte("<node>"+string(text)+"</node>"), &top); err != nil {
			return page{}, fmt.Errorf("cannot read %s: %w", file, err)
		}
		for i := range top.Interfaces {
			described := &top.Interfaces[i]
			if title == "" {
				title = described.Name
				r.heading("NAME")
				r.line(escape(title) + ` \- ` + d.about)
				r.heading("SYNOPSIS")
				r.line(bold("busctl introspect " + title + " /" + strings.ReplaceAll(title, ".", "/")))
				r.heading("DESCRIPTION")
			} else {
				r.heading("SUBSCRIPTIONS")
			}
			r.prose(described.documentation())
			writeInterface(&r, described)
		}
	}
	r.heading("EXAMPLES")
	r.verbatim(d.examples)
	seeAlso(&r, d.seeAlso...)
	return page{title, "7", r.Bytes()}, nil
}

func writeInterface(r *roff, i *node) {
	for _, m := range i.Methods {
		r.subheading("Method " + m.Name + "(" + signature(m.Args, "in") + ") -> (" + signature(m.Args, "out") + ")")
		describe(r, m.documentation(), m.Args)
	}
	for _, s := range i.Signals {
		r.subheading("Signal " + s.Name + "(" + signature(s.Args, "") + ")")
		describe(r, s.documentation(), s.Args)
	}
	for _, p := range i.Properties {
		r.subheading("Property " + p.Name + ": " + p.Type)
		r.prose(p.documentation())
	}
}

func describe(r *roff, text string, args []node) {
	r.prose(text)
	for _, a := range args {
		if said := a.documentation(); said != "" {
			r.item(bold(a.Name) + ": " + italic(a.Type))
			r.line(escape(said))
		}
	}
}

func signature(args []node, direction string) string {
	var parts []string
	for _, a := range args {
		if direction == "" || a.Direction == direction {
			parts = append(parts, a.Type+" "+a.Name)
		}
	}
	return strings.Join(parts, ", ")
}
