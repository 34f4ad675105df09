package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/captioning"
	"k8s-scalers/internal/client"
)

// serverFlag chooses the server of the client commands.
type serverFlag struct {
	Server string `help:"Address of the server. Default: the one that you are signed in at, else http://localhost:8080." env:"CAPTIONS_SERVER" placeholder:"URL"`
}

func (f serverFlag) client() (*client.Client, error) {
	sessions, err := client.DefaultSessions()
	if err != nil {
		return nil, err
	}
	server := f.Server
	if server == "" {
		if err := sessions.Update(func(s *client.Session) error { server = s.Server; return nil }); err != nil {
			return nil, err
		}
	}
	if server == "" {
		server = "http://localhost:8080"
	}
	base, err := client.ParseBase(server)
	if err != nil {
		return nil, err
	}
	return &client.Client{Base: base, Sessions: sessions}, nil
}

type loginCmd struct {
	serverFlag
	Email         string `arg:"" optional:"" help:"Your e-mail address; asked for where it is missing."`
	Create        bool   `help:"Make a new account."`
	PasswordStdin bool   `help:"Read the password from standard input, for scripts."`
}

// Help implements kong.HelpProvider.
func (loginCmd) Help() string {
	return `Examples:
  captions login ada@example.org
  captions login ada@example.org --create
  captions login ada@example.org --password-stdin < password.txt
  captions login --server https://captions.example.org ada@example.org`
}

func (c loginCmd) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	in := bufio.NewReader(e.stdin)
	if c.Email == "" {
		if c.PasswordStdin || !term.IsTerminal(int(e.stdin.Fd())) {
			return usage("Say which e-mail address to sign in with: captions login ada@example.org")
		}
		fmt.Fprint(e.stderr, "E-mail: ")
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read e-mail: %w", err)
		}
		c.Email = strings.TrimSpace(line)
	}
	var password string
	switch {
	case c.PasswordStdin:
		line, err := in.ReadString('\n')
		if err != nil && line == "" {
			return usage("There was no password on standard input.")
		}
		password = strings.TrimRight(line, "\r\n")
	case term.IsTerminal(int(e.stdin.Fd())):
		fmt.Fprint(e.stderr, "Password: ")
		b, err := term.ReadPassword(int(e.stdin.Fd()))
		fmt.Fprintln(e.stderr)
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		password = string(b)
	default:
		return usage("There is no terminal to ask for the password. Use --password-stdin.")
	}
	if err := cl.Login(e.ctx, c.Email, password, c.Create); err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "Signed in at %s as %s.\n", cl.Base, c.Email)
	return nil
}

type logoutCmd struct{ serverFlag }

func (c logoutCmd) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if err := cl.Logout(e.ctx); err != nil {
		return err
	}
	fmt.Fprintln(e.stderr, "Signed out.")
	return nil
}

type submitCmd struct {
	serverFlag
	outputFlags
	jobFlags
	Files []string `arg:"" name:"file" help:"Videos or audio files."`
	Wait  bool     `help:"Wait until the captions are done, and write them beside the files."`
}

// Help implements kong.HelpProvider.
func (submitCmd) Help() string {
	return `Without --wait the id of each job is printed on standard output; fetch its captions with: captions result ID.
An upload that was interrupted goes on where it stopped when the same file is submitted again.

Examples:
  captions submit talk.mp4 --wait
  captions submit *.mp4 --wait -f vtt,srt -o captions/
  id=$(captions submit talk.mp4)`
}

func (c submitCmd) Run(e *env) error {
	outs, err := c.plan(c.Files)
	if err != nil {
		return err
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	p := newProgress(e.stderr)
	defer p.done()
	failed := false
	// One after the other: each upload uses the whole connection, and the server captions the earlier ones meanwhile.
	type waiting struct {
		out output
		id  string
		bar bar
	}
	var jobs []waiting
	for _, o := range outs {
		b := p.bar(o.input)
		up, err := cl.Upload(e.ctx, o.input, func(sent, total int64) { b.set("uploading", float64(sent)/float64(total)) })
		if err == nil {
			var j captioning.JobView
			if j, err = cl.Caption(e.ctx, up.ID, caption.NewID(), c.options()); err == nil {
				jobs = append(jobs, waiting{o, j.ID, b})
				if !c.Wait {
					b.end("submitted as " + j.ID)
					fmt.Fprintln(e.stdout, j.ID)
				}
				continue
			}
		}
		if e.ctx.Err() != nil {
			return e.ctx.Err()
		}
		failed = true
		b.fail(userText(err))
	}
	for _, w := range jobs {
		if !c.Wait {
			break
		}
		j, err := cl.Follow(e.ctx, w.id, func(m captioning.Message) { w.bar.set(string(m.Job.State), m.Job.Progress) })
		switch {
		case e.ctx.Err() != nil:
			return e.ctx.Err()
		case err == nil && j.State == caption.Processed:
			err = w.out.write(func(format string, f *os.File) error { return cl.Result(e.ctx, w.id, format, c.Speakers, f) }, e.stdout)
		case err == nil && j.Reason != nil:
			err = errors.New(j.Reason.Message)
		case err == nil:
			err = fmt.Errorf("the job is %s", j.State)
		}
		if err != nil {
			failed = true
			w.bar.fail(userText(err))
			continue
		}
		w.bar.end(w.out.summary())
	}
	if failed {
		return errReported
	}
	return nil
}

type listCmd struct {
	serverFlag
	Search string `arg:"" optional:"" help:"Only videos with these words in their title or captions."`
	Limit  int    `default:"50" help:"How many to show."`
	JSON   bool   `name:"json" help:"Print one JSON object a line."`
}

// Help implements kong.HelpProvider.
func (listCmd) Help() string {
	return `Examples:
  captions list
  captions list "board meeting"
  captions list --json | jq -r 'select(.state == "failed") | .id'`
}

func (c listCmd) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if c.Limit < 1 {
		return usage("--limit is at least 1.")
	}
	tw := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	enc := json.NewEncoder(e.stdout)
	cursor, shown := "", 0
	for {
		page, err := cl.Jobs(e.ctx, c.Search, cursor, min(c.Limit-shown, 100))
		if err != nil {
			return err
		}
		for _, j := range page.Captions {
			shown++
			if c.JSON {
				if err := enc.Encode(j); err != nil {
					return fmt.Errorf("print: %w", err)
				}
				continue
			}
			state := string(j.State)
			if !j.State.Ended() {
				state = fmt.Sprintf("%s %.0f%%", j.State, j.Progress*100)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", j.ID, j.CreatedAt.Local().Format("2006-01-02 15:04"), state, j.Title)
			if j.Reason != nil {
				fmt.Fprintf(tw, "\t\t\t%s\n", j.Reason.Message)
			}
			for _, h := range j.Hits {
				fmt.Fprintf(tw, "\t\t%s\t%s\n", h.Start.Duration().Round(time.Second), strings.ReplaceAll(h.Text, "\n", " "))
			}
		}
		if page.NextCursor == nil || shown >= c.Limit {
			break
		}
		cursor = *page.NextCursor
	}
	if shown == 0 && !c.JSON {
		fmt.Fprintln(e.stderr, "Nothing here yet. Send a video with: captions submit FILE --wait")
	}
	return tw.Flush()
}

type resultCmd struct {
	serverFlag
	ID       string `arg:"" help:"The job, as printed by submit and list."`
	Format   string `short:"f" default:"vtt" enum:"vtt,srt,txt,json" help:"vtt, srt, txt or json."`
	Output   string `short:"o" placeholder:"FILE" help:"Write to this file instead of standard output."`
	Speakers bool   `help:"Label the speakers."`
	Force    bool   `help:"Overwrite the file."`
}

// Help implements kong.HelpProvider.
func (resultCmd) Help() string {
	return `Examples:
  captions result q3v5c… > talk.vtt
  captions result q3v5c… -f srt -o talk.srt`
}

func (c resultCmd) Run(e *env) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if c.Output == "" {
		return cl.Result(e.ctx, c.ID, c.Format, c.Speakers, e.stdout)
	}
	return writeFile(c.Output, c.Force, func(f *os.File) error { return cl.Result(e.ctx, c.ID, c.Format, c.Speakers, f) })
}

// writeFile makes a file with what fill writes, whole or not at all. Without force it does not overwrite one.
func writeFile(path string, force bool, fill func(*os.File) error) error {
	if !force {
		if _, err := os.Lstat(path); err == nil {
			return caption.Errorf(caption.KindConflict, "%s exists already. Use --force to overwrite it.", path).WithCode("exists")
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // It is gone after the rename.
	if err := fill(f); err != nil {
		_ = f.Close() // The first error is the one that matters.
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		_ = f.Close() // The first error is the one that matters.
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
