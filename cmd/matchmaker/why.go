package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/redismm"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "why TOPIC [HOST]",
		Short: "Explain why a host is listed, or is not",
		Long: `Shows everything that Redis holds about a host under a topic, and the sentence that follows from it: whether the
topic's set lists it, what its liveness key holds and for how long, its instance and revision, drains, and the
topic's version. Exit code 3 if the host does not live. HOST is this machine's name if left out.`,
		Example: `  matchmaker why compute node1`,
		Args:    operands(1, 2, "a topic and a host"),
		RunE:    a.why,
	}
}

func (a *app) why(cmd *cobra.Command, args []string) error {
	if err := a.needRedis("why"); err != nil {
		return err
	}
	if err := a.needOwnLayout("why", `holds nothing but names and their TTL, which "ls" shows`); err != nil {
		return err
	}
	host, err := hostOf(args)
	if err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, cancel := a.bounded(cmd.Context())
	defer cancel()
	w, err := store.Why(ctx, args[0], host)
	if err != nil {
		return a.failed("why", err)
	}
	if a.JSON {
		err = a.printJSON(w)
	} else {
		err = a.printWhy(w)
	}
	if err == nil && w.Key != "live" {
		return exitCode(exitNoMatch)
	}
	return err
}

func (a *app) printWhy(w *redismm.Why) error {
	rows := [][]string{{"listed", yesNo(w.Listed)}, {"key", w.Key}}
	add := func(name, value string) { rows = append(rows, []string{name, value}) }
	if w.Instance != "" {
		ttl := "none"
		if w.TTL >= 0 {
			ttl = shortly(time.Duration(w.TTL * float64(time.Second)))
		}
		add("ttl", ttl)
		add("instance", w.Instance)
		add("since", w.Since.UTC().Format(time.RFC3339)+" by Redis's clock")
		add("revision", strconv.FormatUint(w.Revision, 10))
	}
	if m := w.Member; m != nil {
		add("state", m.State.String())
		add("addr", m.Addr)
		add("zone", m.Zone)
	}
	if w.DrainLeft > 0 {
		add("drained", fmt.Sprintf("for another %s: %s", shortly(time.Duration(w.DrainLeft*float64(time.Second))), w.DrainReason))
	}
	add("topic", fmt.Sprintf("%d hosts listed, %d counted, version %d of epoch %s", w.Hosts, w.Counted, w.Version.Seq, w.Version.Epoch))
	if err := a.printTable(rows); err != nil {
		return err
	}
	return a.say("%s", w.Sentence)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
