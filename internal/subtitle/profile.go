package subtitle

import (
	"strings"

	"k8s-scalers/internal/caption"
)

// Profile is a house style: how much text a cue may hold and how long it stays. Widths are in columns: most
// characters take one, Chinese, Japanese and Korean ones take two.
type Profile struct {
	Name     string
	MaxLines int // 1 or 2
	MaxLine  int // columns in a line
	// MinDuration is a goal, since a speaker may say more at once; MaxDuration is a limit.
	MinDuration, MaxDuration caption.Millis
	// MinGap lies between any two cues, so that the eye notices the change.
	MinGap caption.Millis
	// CloseGap is the pause below which a cue stays until MinGap before the next, because a shorter one only flickers.
	CloseGap caption.Millis
	// MaxSpeed is the reading speed, in columns a second, that a viewer can follow.
	MaxSpeed float64
	// Silence is the pause that always ends a cue: text of after it would be shown too long before it is said.
	Silence caption.Millis
}

// Profiles returns the known profiles; the first is the default.
//
// The figures of netflix are those of its timed-text style guide for English and adults, with two frames at 24 a
// second as the gap. bbc has the width of teletext and 180 words a minute, at 5.7 characters a word with its space.
// plain is for players that wrap lines themselves and for people who edit captions as text.
func Profiles() []Profile {
	return []Profile{
		{Name: "netflix", MaxLines: 2, MaxLine: 42, MinDuration: 833, MaxDuration: 7000, MinGap: 83, CloseGap: 500, MaxSpeed: 20, Silence: 1500},
		{Name: "bbc", MaxLines: 2, MaxLine: 37, MinDuration: 1000, MaxDuration: 7000, MinGap: 80, CloseGap: 1000, MaxSpeed: 17, Silence: 1500},
		{Name: "plain", MaxLines: 1, MaxLine: 80, MinDuration: 700, MaxDuration: 8000, MinGap: 0, CloseGap: 300, MaxSpeed: 25, Silence: 1500},
	}
}

// ProfileNamed returns the profile of a name; the empty name means the default.
func ProfileNamed(name string) (Profile, error) {
	all := Profiles()
	if name == "" {
		return all[0], nil
	}
	var names []string
	for _, p := range all {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, caption.Errorf(caption.KindInvalid, "The profile %.40q is not known. Use one of: %s.",
		name, strings.Join(names, ", ")).WithCode("bad_profile")
}
