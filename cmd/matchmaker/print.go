package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"text/tabwriter"
)

// printJSON prints v as one line.
func (a *app) printJSON(v any) error {
	lines := json.NewEncoder(a.stdout)
	lines.SetEscapeHTML(false)
	return lines.Encode(v)
}

// say prints a line for people.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format+"\n", args...)
	return err
}

// printTable prints aligned columns, whose first row is the heading. An empty cell is shown as "-".
func (a *app) printTable(rows [][]string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cmp.Or(cell, "-"))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// printLines prints each of these as one line of JSON.
func printLines[T any](a *app, these []T) error {
	for _, v := range these {
		if err := a.printJSON(v); err != nil {
			return err
		}
	}
	return nil
}
