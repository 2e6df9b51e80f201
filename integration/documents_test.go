package integration_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	aTest   = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	aNaming = regexp.MustCompile(`\bTest[A-Z]\w+`)
)

func TestDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	var there []string
	named := make(map[string]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".md") {
			for _, name := range aNaming.FindAllString(string(text), -1) {
				named[name] = path
			}
			return err
		}
		for _, found := range aTest.FindAllStringSubmatch(string(text), -1) {
			there = append(there, found[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(named) < 50 {
		t.Errorf("documents name %d tests, want many", len(named))
	}
	for name, path := range named {
		if !slices.ContainsFunc(there, func(test string) bool { return strings.HasPrefix(test, name) }) { // as -run takes them
			t.Errorf("%s names %s, which is no test, and none begins so", path, name)
		}
	}
}
