package integration_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// folders are the packages that the pages name, by what they call them.
var folders = map[string]string{
	"core": "core", "coretest": "core/coretest", "redismm": "redismm", "ringmm": "ringmm",
	"grpcmm": "grpcmm", "httpmm": "httpmm",
	"cmd": "cmd/matchmaker", "supervise": "cmd/matchmaker/internal/supervise", "api": "cmd/matchmaker/internal/api", "dns": "cmd/matchmaker/internal/dns", "integration": "integration",
}

// parsed returns the files of a folder, tests or others.
func parsed(t *testing.T, folder string, tests bool) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s: %v", folder, err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") != tests {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// functions returns the names of the test functions of a folder.
func functions(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	for _, f := range parsed(t, folder, true) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

// declared returns what a folder declares: names, and methods and fields as Type.Name.
func declared(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	for _, f := range parsed(t, folder, false) {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names = append(names, receiver(d)+d.Name.Name)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					names = append(names, specified(s)...)
				}
			}
		}
	}
	return names
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	return of.(*ast.Ident).Name + "."
}

func specified(s ast.Spec) []string {
	var names []string
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, n := range s.Names {
			names = append(names, n.Name)
		}
	case *ast.TypeSpec:
		names = append(names, s.Name.Name)
		var fields *ast.FieldList
		switch of := s.Type.(type) {
		case *ast.StructType:
			fields = of.Fields
		case *ast.InterfaceType:
			fields = of.Methods
		default:
			return names
		}
		for _, f := range fields.List {
			for _, n := range f.Names {
				names = append(names, s.Name.Name+"."+n.Name)
			}
		}
	}
	return names
}

// row is a row of a table: its cells.
type row []string

// rows returns the rows of all tables of a page that have this many cells, without the heads.
func rows(t *testing.T, page string, cells int) []row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	head := true
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			head = true
		case strings.HasPrefix(line, "|---"):
			head = false
		case !head:
			r := strings.Split(strings.Trim(line, "|"), " | ")
			if len(r) == cells {
				all = append(all, r)
			}
		}
	}
	return all
}

var goName = regexp.MustCompile("`([a-z]+)\\.([A-Z][A-Za-z0-9_]*(?:\\.[A-Z][A-Za-z0-9]*)?)`")

// exist checks that what a cell names is among what its packages have, and returns how many names there were.
func exist(t *testing.T, cell string, has func(t *testing.T, folder string) []string, known map[string][]string) int {
	t.Helper()
	found := goName.FindAllStringSubmatch(cell, -1)
	for _, m := range found {
		folder, ok := folders[m[1]]
		if !ok {
			t.Errorf("%s.%s: there is no package %s", m[1], m[2], m[1])
			continue
		}
		if known[folder] == nil {
			known[folder] = has(t, folder)
		}
		if !slices.Contains(known[folder], m[2]) {
			t.Errorf("there is no %s in %s", m[2], folder)
		}
	}
	return len(found)
}

func TestLineageNamesWhatExists(t *testing.T) {
	t.Parallel()
	names, tests := make(map[string][]string), make(map[string][]string)
	checked := 0
	for _, cells := range []int{3, 4} { // names; defects
		for _, r := range rows(t, "docs/lineage.md", cells) {
			checked++
			if exist(t, r[cells-2], declared, names) == 0 {
				t.Errorf("%s: no Go name", r[0])
			}
			if exist(t, r[cells-1], functions, tests) == 0 {
				t.Errorf("%s: no test", r[0])
			}
		}
	}
	if checked < 60 {
		t.Errorf("%d rows checked, want 60 at least", checked)
	}
}

func TestRegressionsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	tests := make(map[string][]string)
	checked := 0
	for _, r := range rows(t, "docs/regressions.md", 4) {
		checked++
		if exist(t, r[2], functions, tests) == 0 {
			t.Errorf("%s: no test", r[0])
		}
		if strings.TrimSpace(r[3]) == "" {
			t.Errorf("%s: no change under which the test fails", r[0])
		}
	}
	if checked < 20 {
		t.Errorf("%d rows checked, want 20 at least", checked)
	}
}
