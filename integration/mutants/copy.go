package main

import (
	"io/fs"
	"os"
	"path/filepath"
)

// copied returns a folder with a copy of the tree at root, but for what git and the build keep there: what the
// mutants are made of stays as it is though somebody goes on with his work.
func copied(root string) (to string, err error) {
	if to, err = os.MkdirTemp("", "mutants-"); err != nil {
		return "", err
	}
	return to, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		within, err := filepath.Rel(root, name)
		switch {
		case err != nil:
			return err
		case within == ".git" || within == "bin":
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, within), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, within), text, info.Mode().Perm())
	})
}
