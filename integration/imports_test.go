package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/redismm/matchmaker"

// layers says what the packages of a folder may import beside the standard library and their own folder:
// packages of this module by folder, others by module.
var layers = []struct {
	folder  string
	within  []string
	foreign []string
}{
	{folder: "core"},
	{folder: "redismm", within: []string{"core"}, foreign: []string{"github.com/redis/go-redis/v9"}},
	{folder: "ringmm", within: []string{"core"}},
	{folder: "grpcmm", within: []string{"core"}, foreign: []string{"google.golang.org/grpc"}},
	{folder: "httpmm", within: []string{"core"}},
}

type pkg struct {
	ImportPath, Name, Dir string
	Standard              bool
	Module                *struct{ Path string }
	Deps                  []string
}

// list returns packages and all they import, by import path.
func list(t *testing.T, dir string, patterns ...string) map[string]*pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Name,Dir,Standard,Module,Deps"}, patterns...)...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v: %s", patterns, err, &stderr)
	}
	all := make(map[string]*pkg)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

func in(importPath, folder string) bool {
	path := module + "/" + folder
	return importPath == path || strings.HasPrefix(importPath, path+"/")
}

// needs returns the modules that a module's main package brings along, itself included.
func needs(t *testing.T, root string, modules []string) []string {
	t.Helper()
	if len(modules) == 0 {
		return nil
	}
	all := slices.Clone(modules)
	for _, p := range list(t, root, modules...) {
		if p.Module != nil && !slices.Contains(all, p.Module.Path) {
			all = append(all, p.Module.Path)
		}
	}
	return all
}

func TestImportsPointDownOnly(t *testing.T) {
	all := list(t, root, "./...")
	for _, l := range layers {
		var foreign []string
		checked := 0
		for _, p := range all {
			if !in(p.ImportPath, l.folder) {
				continue
			}
			checked++
			for _, name := range p.Deps {
				d := all[name]
				switch {
				case d.Standard || in(name, l.folder):
				case slices.ContainsFunc(l.within, func(folder string) bool { return in(name, folder) }):
				default:
					if foreign == nil {
						foreign = append(needs(t, root, l.foreign), "")
					}
					if d.Module == nil || !slices.Contains(foreign, d.Module.Path) {
						t.Errorf("%s imports %s; want the standard library, %v and %v only", p.ImportPath, name, l.within, l.foreign)
					}
				}
			}
		}
		if checked == 0 {
			t.Errorf("no package in %s", l.folder)
		}
	}
}

func TestImportsOfCommandAndTestKitAreNone(t *testing.T) {
	for _, p := range list(t, root, "./...") {
		if p.Module == nil || p.Module.Path != module {
			continue
		}
		for _, d := range p.Deps {
			if in(d, "integration") && !in(p.ImportPath, "integration") || in(d, "cmd") && !in(p.ImportPath, "cmd") {
				t.Errorf("%s imports %s; want nothing to import the commands and the test kit", p.ImportPath, d)
			}
		}
	}
}

func TestImportsHaveTellingNames(t *testing.T) {
	for _, p := range list(t, root, "./...") {
		if p.Module == nil || p.Module.Path != module {
			continue
		}
		switch p.Name {
		case "util", "utils", "common", "helper", "helpers", "base", "manager", "misc":
			t.Errorf("%s is called %q; want a name that says what it holds", p.ImportPath, p.Name)
		}
	}
}

// A user of the library gets go-redis and what go-redis needs; not the command line's libraries, nor the
// tests'.
func TestImportsBringAUserGoRedisOnly(t *testing.T) {
	dir := t.TempDir()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	outside := strings.Replace(string(mod), "module "+module, "module example.com/user", 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\nreplace %s => %s\n", module, module, here)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod":  outside,
		"go.sum":  string(sum),
		"main.go": fmt.Sprintf("package main\n\nimport (\n\t_ %q\n\t_ %q\n)\n\nfunc main() {}\n", module+"/core", module+"/redismm"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[string]bool)
	for _, p := range list(t, dir, ".") {
		if p.Module != nil {
			got[p.Module.Path] = true
		}
	}
	want := append(needs(t, root, []string{"github.com/redis/go-redis/v9"}), module, "example.com/user")
	for m := range got {
		if !slices.Contains(want, m) {
			t.Errorf("a user of core and redismm gets %s; want go-redis and its needs only", m)
		}
	}
	if !got["github.com/redis/go-redis/v9"] {
		t.Error("a user of redismm does not get go-redis: nothing was checked")
	}
}
