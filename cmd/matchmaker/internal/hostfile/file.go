package hostfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redismm/matchmaker/core"
)

// File is a file that others read, replaced as a whole.
type File struct {
	// Path is where the file is. One that is a link is followed.
	Path string
	// Check is a command for sh that a new file must pass before it takes the place of the old one; {} is its path.
	// Empty is none.
	Check string
	// Reload is a command for sh that follows on each replacement; empty is none.
	Reload string
}

// longestCommand bounds Check and Reload.
const longestCommand = 30 * time.Second

// Ready returns nil if the file can be replaced, else why not.
func (f *File) Ready() error {
	if at, err := os.Stat(f.Path); err == nil && !at.Mode().IsRegular() {
		return core.Invalid("file", f.Path, "want a regular file, or none yet")
	}
	temp, err := f.create()
	if err != nil {
		return err
	}
	temp.Close()
	return os.Remove(temp.Name())
}

func (f *File) create() (*os.File, error) {
	path := f.place()
	return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new")
}

// place is the file's path without links.
func (f *File) place() string {
	if path, err := filepath.EvalSymlinks(f.Path); err == nil {
		return path
	}
	return f.Path
}

// Exists says whether there is a file, whatever it holds.
func (f *File) Exists() bool {
	_, err := os.Stat(f.Path)
	return err == nil
}

// Holds says whether the file holds text.
func (f *File) Holds(text []byte) bool {
	old, err := os.ReadFile(f.Path)
	return err == nil && bytes.Equal(old, text)
}

// Replace writes text beside the file, checks it, and puts it into the file's place, on the disk before it is in the
// directory. The mode is that of the old file, and the owner too where that may be; 0644 for a new one.
func (f *File) Replace(ctx context.Context, text []byte) error {
	temp, err := f.create()
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // which is gone if all goes well
	err = f.fill(temp, text)
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err == nil && f.Check != "" {
		err = command(ctx, "check", f.Check, temp.Name())
	}
	if err != nil {
		return err
	}
	path := f.place()
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (f *File) fill(temp *os.File, text []byte) error {
	mode := fs.FileMode(0o644)
	if old, err := os.Stat(f.Path); err == nil {
		mode = old.Mode().Perm()
		if is, ok := old.Sys().(*syscall.Stat_t); ok {
			_ = temp.Chown(int(is.Uid), int(is.Gid)) // which only root may
		}
	}
	if _, err := temp.Write(text); err != nil {
		return err
	}
	if err := temp.Chmod(mode); err != nil {
		return err
	}
	return temp.Sync()
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems have no such thing
		return err
	}
	return nil
}

// Reloaded runs Reload, if there is one.
func (f *File) Reloaded(ctx context.Context) error {
	if f.Reload == "" {
		return nil
	}
	return command(ctx, "reload", f.Reload, f.Path)
}

// command runs a line of sh with a path in the place of each {}, in a process group of its own, which is killed when
// it takes too long. The error has {} for the path, so that it is the same for the next.
func command(ctx context.Context, what, line, path string) error {
	ctx, cancel := context.WithTimeout(ctx, longestCommand)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(line, "{}", quoted(path)))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	var out limited
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, and left somebody behind who holds its output
		return nil
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%s %q: %w", what, line, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%s %q: %w: %s", what, line, err, bytes.ReplaceAll(bytes.TrimSpace(out.text), []byte(path), []byte("{}")))
	}
	return nil
}

// limited keeps the beginning of what a command wrote.
type limited struct{ text []byte }

func (l *limited) Write(b []byte) (int, error) {
	const most = 4096
	l.text = append(l.text, b[:min(len(b), most-len(l.text))]...)
	return len(b), nil
}

// quoted is a path as one word of sh.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
