package report

import (
	"slices"
	"strings"
)

// group is notes that say the same of several objects.
type group struct {
	Text  string
	Notes []Note
}

// grouped puts notes with the same text together, where the first of them stands. A note that is not about an object stays alone.
func grouped(notes []Note) []group {
	var groups []group
	for _, n := range notes {
		at := slices.IndexFunc(groups, func(g group) bool { return g.Text == n.Text && n.Object != "" && g.Notes[0].Object != "" })
		if at < 0 {
			groups = append(groups, group{Text: n.Text, Notes: []Note{n}})
			continue
		}
		groups[at].Notes = append(groups[at].Notes, n)
	}
	return groups
}

// until is when a complaint was last said.
func (c Complaint) until() string {
	if c.Lasting {
		return "the end"
	}
	return clock(c.Last)
}

// said is what was said of what, in one line. Of further reasons it has what is other than in the first.
func (c Complaint) said() string {
	if len(c.Reasons) == 0 {
		return Note{Object: c.Object, Text: c.Text}.String()
	}
	texts := []string{c.Text + ": " + c.Reasons[0]}
	for _, reason := range c.Reasons[1:] {
		first, parts := strings.Split(c.Reasons[0], ": "), strings.Split(reason, ": ")
		for len(parts) > 1 && len(first) > 1 && parts[0] == first[0] {
			first, parts = first[1:], parts[1:]
		}
		texts = append(texts, strings.Join(parts, ": "))
	}
	return Note{Object: c.Object, Text: strings.Join(texts, "; or: ")}.String()
}
