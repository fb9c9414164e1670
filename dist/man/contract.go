package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// member is a type, method or error of the contract.
type member struct {
	keyword, name string
	comment       string
	// parts are the fields of a type or error, or the parameters and the reply of a
	// method.
	parts [][]field
}

type field struct{ name, kind, comment string }

var (
	memberForm = regexp.MustCompile(`^(type|method|error) (\w+) ?\(`)
	fieldForm  = regexp.MustCompile(`^(\w+)(?:: ([^,]+))?,?$`)
)

// readContract parses an interface description as this project writes it: one field a
// line, each preceded by its comment.
func readContract(idl []byte) (name, intro string, members []member, err error) {
	var comment []string
	take := func(separator string) string {
		text := strings.Join(comment, separator)
		comment = nil
		return text
	}
	var open *member
	for i, line := range strings.Split(string(idl), "\n") {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "#"); ok {
			comment = append(comment, strings.TrimSpace(text))
			continue
		}
		switch found := memberForm.FindStringSubmatch(line); {
		case line == "":
		case strings.HasPrefix(line, "interface "):
			name, intro = strings.TrimPrefix(line, "interface "), take("\n")
		case found != nil:
			members = append(members, member{keyword: found[1], name: found[2], comment: take("\n"), parts: [][]field{nil}})
			open = &members[len(members)-1]
			_, rest, _ := strings.Cut(line, "(")
			if strings.HasPrefix(rest, ") -> (") {
				open.parts = append(open.parts, nil)
			}
		case line == ") -> (" && open != nil:
			open.parts = append(open.parts, nil)
		case line == ")", line == ") -> ()":
			open = nil
		default:
			f := fieldForm.FindStringSubmatch(line)
			if f == nil || open == nil {
				return "", "", nil, fmt.Errorf("line %d is not understood: %s", i+1, line)
			}
			last := &open.parts[len(open.parts)-1]
			*last = append(*last, field{f[1], f[2], take(" ")})
		}
	}
	if name == "" || len(members) == 0 {
		return "", "", nil, errors.New("it describes no interface")
	}
	return name, intro, members, nil
}

// contractPage makes the page of an interface.
func contractPage(idl []byte, d described) (page, error) {
	title, intro, members, err := readContract(idl)
	if err != nil {
		return page{}, err
	}
	var r roff
	r.heading("NAME")
	r.line(escape(title) + ` \- ` + d.about)
	r.heading("SYNOPSIS")
	r.line(bold("varlinkctl introspect unix:/run/eventsvc/" + title + " " + title))
	r.heading("DESCRIPTION")
	topics(&r, intro)
	for _, kind := range []struct{ keyword, heading string }{{"method", "METHODS"}, {"type", "TYPES"}, {"error", "ERRORS"}} {
		r.heading(kind.heading)
		for _, m := range members {
			if m.keyword == kind.keyword {
				m.write(&r)
			}
		}
	}
	r.heading("EXAMPLES")
	r.verbatim(d.examples)
	seeAlso(&r, d.seeAlso...)
	return page{title, "7", r.Bytes()}, nil
}

// topicForm matches a line of the introduction that begins a topic.
var topicForm = regexp.MustCompile(`^(Promises|Rights|Users|Words|Filters|Times)\. `)

// topics writes the introduction, with a heading for each of its topics.
func topics(r *roff, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if found := topicForm.FindString(line); found != "" {
			r.subheading(strings.TrimSuffix(found, ". "))
			line = strings.TrimPrefix(line, found)
		}
		r.line(escape(line))
	}
}

func (m *member) write(r *roff) {
	title := m.name
	if m.keyword == "method" {
		title += "()"
	}
	r.subheading(title)
	r.prose(m.comment)
	for i, fields := range m.parts {
		if m.keyword == "method" && len(fields) > 0 {
			r.line(".PP")
			r.line([]string{"Parameters:", "Reply:"}[i])
		}
		for _, f := range fields {
			title := bold(f.name)
			if f.kind != "" {
				title += ": " + italic(f.kind)
			}
			r.item(title)
			r.line(escape(f.comment))
		}
	}
}
