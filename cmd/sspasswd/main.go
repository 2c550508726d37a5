// Sspasswd keeps the flat file of users and passwords that fastproxy reads as
// AUTH_PASSWD_FILE. Its options and its file are those of the tool of the same
// name that comes with Shiny Server Pro.
//
// It ends with 0 when done (with -v: the password is right), 1 when the
// password is wrong, there is no such user, or something failed, 2 when it was
// called in a way it does not understand. It says why on standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	// kong: options as one struct, without dependencies of its own.
	"github.com/alecthomas/kong"

	"fastproxy/fastproxy/passwd"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const about = `Adds USER to FILE or replaces the password, which is prompted for, or is the
first line of standard input when that is no terminal. FILE must exist unless -c
is given. fastproxy notices every change by itself.`

type options struct {
	Create  bool     `short:"c" xor:"verb" help:"Create FILE, or overwrite it: USER will be the only one in it."`
	Delete  bool     `short:"D" xor:"verb" help:"Delete USER."`
	Verify  bool     `short:"v" xor:"verb" help:"Verify USER's password."`
	Seconds *float64 `short:"C" placeholder:"SECONDS" help:"How long checking the password may take on this machine: longer is harder to guess (default: about 0.1 and 32 MiB; never over 256 MiB)."`
	File    string   `arg:"" name:"FILE" help:"The password file."`
	User    string   `arg:"" name:"USER" help:"The user's name, without \":\" and \"$\"."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var o options
	helped := false
	parser := kong.Must(&o, kong.Name("sspasswd"), kong.Description(about),
		kong.Exit(func(int) { helped = true }))
	_, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err == nil {
		err = o.check()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "sspasswd: %v\nusage: sspasswd [-c | -D | -v] [-C SECONDS] FILE USER (-h tells more)\n", err)
		return exitUsage
	}
	if err := o.do(); err != nil {
		say(err.Error())
		return exitFailed
	}
	return exitOK
}

// check looks for what kong cannot know.
func (o *options) check() error {
	switch {
	case o.File == "":
		return errors.New("found no file name")
	case o.Seconds != nil && (o.Delete || o.Verify):
		return errors.New("-C goes with setting a password only")
	case o.Seconds != nil && !(*o.Seconds > 0): // NaN too
		return errors.New("-C: found no positive number, want seconds such as 0.5")
	}
	return passwd.CheckName(o.User)
}

func (o *options) do() error {
	switch {
	case o.Delete:
		return o.delete()
	case o.Verify:
		return o.verify()
	}
	return o.set()
}

func (o *options) set() error {
	if err := o.look(); err != nil {
		return err
	}
	password, err := readPassword(true)
	if err != nil {
		return err
	}
	h := passwd.NewHash(password, o.logN())
	if o.Create {
		if err := passwd.Create(o.File, o.User, h); err != nil {
			return err
		}
		say(fmt.Sprintf("created %s with user %s", o.File, o.User))
	} else {
		added, err := passwd.Set(o.File, o.User, h)
		if err != nil {
			return err
		}
		if added {
			say("added user " + o.User)
		} else {
			say("changed the password of user " + o.User)
		}
	}
	o.review()
	return nil
}

// look finds what would fail for certain, before anybody types a password twice.
func (o *options) look() error {
	st, err := os.Stat(o.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.Create:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: -c creates it", o.File)
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", o.File)
	}
	return nil
}

// logN picks the cost that -C asks for.
func (o *options) logN() uint8 {
	if o.Seconds == nil {
		return passwd.LogNDefault
	}
	const most = 3600 // more than any cost takes; a Duration cannot hold every float64
	limit := time.Duration(min(*o.Seconds, most) * float64(time.Second))
	return passwd.FitCost(limit, passwd.MeasureCost)
}

func (o *options) delete() error {
	err := passwd.Delete(o.File, o.User)
	if errors.Is(err, passwd.ErrNoUser) {
		return o.noSuchUser()
	}
	if err != nil {
		return err
	}
	say("deleted user " + o.User)
	o.review()
	return nil
}

func (o *options) verify() error {
	f, err := passwd.Open(o.File, "")
	if err != nil {
		return err
	}
	if _, found := f.Fingerprint(o.User); !found {
		return o.noSuchUser()
	}
	password, err := readPassword(false)
	if err != nil {
		return err
	}
	_, err = f.Check(context.Background(), o.User, password)
	if errors.Is(err, passwd.ErrWrong) {
		return errors.New("wrong password")
	}
	if err == nil {
		say("the password is right")
	}
	return err
}

func (o *options) noSuchUser() error {
	return fmt.Errorf("no user %s in %s", o.User, o.File)
}

// review tells, after an edit, what else is wrong or unwise about the file:
// fastproxy does not take a file with a broken line.
func (o *options) review() {
	f, err := passwd.Open(o.File, "")
	if err != nil {
		say("warning: fastproxy will not accept this file:\n" + err.Error())
		return
	}
	for _, w := range f.Warnings() {
		say("warning: " + w)
	}
}

// say tells people; the package's name in front of its errors is not for them.
func say(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimRight(line, "\n"), "passwd: ")
		io.WriteString(os.Stderr, "sspasswd: "+line+"\n")
	}
}
