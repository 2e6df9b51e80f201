package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/checks"
	"github.com/redismm/matchmaker/core"
)

// record is what flags say of a registration beside its place.
type record struct {
	addr, zone string
	weight     int
	labels     []string
}

func (r *record) flags(f *pflag.FlagSet, s *settings) {
	f.StringVar(&r.addr, "addr", "", "where the host serves, `host:port`; \":8080\" gets this machine's address")
	s.advertiseFlag(f)
	f.StringVar(&r.zone, "zone", "", "where the host stands, for callers that prefer near ones")
	f.IntVar(&r.weight, "weight", 0, "the host's share against its neighbours', 1 to 65535 (default 1)")
	f.StringArrayVar(&r.labels, "label", nil, "a label `name=value` for callers; may be given again")
	f.SortFlags = false
}

// registration is what the operands TOPIC [HOST] and the flags say together, checked.
func (a *app) registration(ctx context.Context, more record, args []string) (core.Registration, error) {
	host, err := hostOf(args)
	if err != nil {
		return core.Registration{}, err
	}
	r := core.Registration{Topic: args[0], Host: host, Addr: more.addr, Zone: more.zone, Weight: more.weight}
	for _, label := range more.labels {
		if err := addLabel(&r, label); err != nil {
			return r, usageError{err}
		}
	}
	return a.complement(ctx, r)
}

// complement completes the address of a registration and checks it.
func (a *app) complement(ctx context.Context, r core.Registration) (core.Registration, error) {
	if r.Addr != "" || r.Zone != "" || r.Weight > 1 || len(r.Labels) > 0 {
		if err := a.needOwnLayout("addr, zone, weight and labels", "holds names alone"); err != nil {
			return r, err
		}
	}
	var err error
	if r.Addr, err = a.reachable(ctx, r.Addr); err == nil {
		err = r.Check()
	}
	if err != nil {
		return r, usageError{err}
	}
	return r, nil
}

func addLabel(r *core.Registration, label string) error {
	name, value, ok := strings.Cut(label, "=")
	if !ok || name == "" {
		return core.Invalid("label", label, "want name=value")
	}
	if _, twice := r.Labels[name]; twice {
		return core.Invalid("label", label, "given twice")
	}
	if r.Labels == nil {
		r.Labels = make(map[string]string)
	}
	r.Labels[name] = value
	return nil
}

// kept is a registration to be kept, and the check that it stands on: the zero one where it stands on this
// process alone.
type kept struct {
	core.Registration
	check checks.Check
}

// registrations are those of --register, each of the form registrationForm with what is not needed left out,
// and those of its variable, which are apart by white space or semicolons.
type registrations []kept

var _ pflag.Value = (*registrations)(nil)

// Set adds one registration.
func (rs *registrations) Set(text string) error {
	r, err := parseRegistration(text)
	if err == nil {
		*rs = append(*rs, r)
	}
	return err
}

// EnvDecode adds the registrations of the variable.
func (rs *registrations) EnvDecode(text string) error {
	for _, one := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" \t\r\n;", c) }) {
		if err := rs.Set(one); err != nil {
			return err
		}
	}
	return nil
}

func (rs *registrations) String() string { return "" }

// Type is how help calls the value.
func (rs *registrations) Type() string { return "TOPIC=HOST[,...]" }

func parseRegistration(text string) (kept, error) {
	parts := strings.Split(text, ",")
	var r kept
	r.Topic, r.Host, _ = strings.Cut(parts[0], "=")
	if r.Host == "" {
		host, err := hostOf(nil)
		if err != nil {
			return r, err
		}
		r.Host = host
	}
	seen := make(map[string]bool)
	for _, field := range parts[1:] {
		name, value, ok := strings.Cut(field, "=")
		if !ok || seen[name] {
			return r, core.Invalid("registration", text,
				fmt.Sprintf("%q is not name=value, or given twice; want %s", field, registrationForm))
		}
		seen[name] = true
		if err := setField(&r, name, value); err != nil {
			return r, fmt.Errorf("registration %q: %w", text, err)
		}
	}
	return r, nil
}

const registrationForm = "TOPIC=HOST,addr=HOST:PORT,zone=ZONE,weight=N,label.NAME=VALUE,check=URL"

func setField(r *kept, name, value string) (err error) {
	label, isLabel := strings.CutPrefix(name, "label.")
	switch {
	case name == "addr":
		r.Addr = value
	case name == "zone":
		r.Zone = value
	case name == "weight":
		if r.Weight, err = strconv.Atoi(value); err != nil {
			err = core.Invalid("weight", value, "want 1 to 65535")
		}
	case name == "check":
		r.check, err = checks.Parse(value)
	case isLabel:
		err = addLabel(&r.Registration, label+"="+value)
	default:
		err = core.Invalid("field", name, "want addr, zone, weight, label.NAME or check")
	}
	return err
}

// toKeep completes and checks what sidecar is to keep.
func (a *app) toKeep(ctx context.Context) ([]kept, error) {
	seen := make(map[string]bool)
	var whole []kept
	for _, k := range a.Register {
		key := k.Topic + "\x00" + k.Host
		if seen[key] {
			return nil, usagef("%s names %s twice", a.origin("register"), core.DirectKey(k.Topic, k.Host))
		}
		seen[key] = true
		r, err := a.complement(ctx, k.Registration)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.origin("register"), err)
		}
		whole = append(whole, kept{r, k.check})
	}
	return whole, nil
}
