package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s-scalers/internal/caption"
)

// outputFlags say what to write and where.
type outputFlags struct {
	Formats  []string `short:"f" name:"format" default:"vtt" enum:"vtt,srt,txt,json" help:"What to write: vtt, srt, txt, json; several with commas."`
	Output   string   `short:"o" placeholder:"DIR" help:"Folder for the captions. Default: beside each file. - prints one format to standard output."`
	Speakers bool     `help:"Label the speakers, where the engine tells them apart."`
	Force    bool     `help:"Overwrite captions that exist."`
}

// jobFlags say how to caption.
type jobFlags struct {
	Profile    string   `default:"netflix" enum:"netflix,bbc,plain" help:"Rules for the length and timing of captions: netflix, bbc or plain."`
	Engine     string   `help:"Speech engine. Default: the first that is enabled." placeholder:"NAME"`
	Language   string   `help:"Language spoken, such as en or en-GB. Default: the engine's." placeholder:"TAG"`
	AudioTrack int      `help:"Audio track, counted from 0." placeholder:"N"`
	Keyterm    []string `help:"A name or word to expect, where the engine can be told; several with commas." placeholder:"WORD"`
	Diarize    bool     `help:"Tell speakers apart, where the engine can. --speakers writes their labels."`
}

func (f jobFlags) options() caption.Options {
	return caption.Options{Language: f.Language, Engine: f.Engine, Profile: f.Profile, AudioTrack: f.AudioTrack, Diarize: f.Diarize, Keyterms: f.Keyterm}
}

// output is where the captions of one input go.
type output struct {
	input string
	flags outputFlags
	paths map[string]string // by format; empty: standard output
}

// plan decides where everything goes, and refuses what would collide or overwrite before any work is done.
func (f outputFlags) plan(inputs []string) ([]output, error) {
	if f.Output == "-" && (len(f.Formats) > 1 || len(inputs) > 1) {
		return nil, usage("With -o - there can be one file and one format only.")
	}
	if f.Output != "" && f.Output != "-" {
		if err := os.MkdirAll(f.Output, 0o755); err != nil {
			return nil, usage("The folder %s cannot be made: %v.", f.Output, errors.Unwrap(err))
		}
	}
	from := map[string]string{}
	var outs []output
	for _, in := range inputs {
		o := output{input: in, flags: f, paths: map[string]string{}}
		if f.Output != "-" {
			base := strings.TrimSuffix(in, filepath.Ext(in))
			if f.Output != "" {
				base = filepath.Join(f.Output, filepath.Base(base))
			}
			for _, format := range f.Formats {
				path := base + "." + format
				if other, taken := from[path]; taken {
					return nil, usage("The captions of %s and %s would both be written to %s. Caption them one by one, with different -o.", other, in, path)
				}
				from[path] = in
				o.paths[format] = path
			}
		}
		outs = append(outs, o)
	}
	return outs, nil
}

// exists returns an error if a file of o would be overwritten.
func (o output) exists() error {
	if o.flags.Force {
		return nil
	}
	for _, format := range o.flags.Formats {
		if p := o.paths[format]; p != "" {
			if _, err := os.Lstat(p); err == nil {
				return caption.Errorf(caption.KindConflict, "%s exists already. Use --force to overwrite it.", p).WithCode("exists")
			}
		}
	}
	return nil
}

// write writes each format, whole or not at all.
func (o output) write(render func(format string, f *os.File) error, stdout io.Writer) error {
	for _, format := range o.flags.Formats {
		if p := o.paths[format]; p != "" {
			if err := writeFile(p, o.flags.Force, func(f *os.File) error { return render(format, f) }); err != nil {
				return err
			}
			continue
		}
		tmp, err := os.CreateTemp("", "captions-*")
		if err != nil {
			return fmt.Errorf("make a temporary file: %w", err)
		}
		defer func() { _, _ = tmp.Close(), os.Remove(tmp.Name()) }() // Only a copy.
		if err := render(format, tmp); err != nil {
			return err
		}
		if _, err := tmp.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		if _, err := io.Copy(stdout, tmp); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// summary names what was written.
func (o output) summary() string {
	var names []string
	for _, format := range o.flags.Formats {
		if p := o.paths[format]; p != "" {
			names = append(names, p)
		}
	}
	if len(names) == 0 {
		return "done"
	}
	return "wrote " + strings.Join(names, ", ")
}
