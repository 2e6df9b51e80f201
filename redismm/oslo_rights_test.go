package redismm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// osloWhole does all that the layout of the original can: host b stays, host c leaves.
func osloWhole(ctx context.Context, o *Oslo) error {
	claims := func(hosts ...string) (all []*core.Claim) {
		for _, h := range hosts {
			all = append(all, &core.Claim{Registration: core.Registration{Topic: "a", Host: h}})
		}
		return all
	}
	mine := claims("b", "c")
	_, err1 := o.BackendRegister(ctx, time.Minute, mine)
	_, err2 := o.AckAlive(ctx, time.Minute, append(mine, claims("b")...))
	_, err3 := o.BackendUnregister(ctx, time.Minute, mine[1:])
	routes, err4 := o.TopicExchange(ctx, "a")
	v, err5 := o.Members(ctx, "a")
	left, err6 := o.Remaining(ctx, "a", "b")
	topics, err7 := o.Topics(ctx)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		return err
	}
	if len(routes) != 1 || routes[0].Host != "b" || len(v.Members) != 1 || left <= 0 || !slices.Equal(topics, []string{"a"}) {
		return errors.New("the answers are not those of one host b")
	}
	return nil
}

// TestReadmesUserOfTheOriginalsKeysLacksNothingAndHasNothingToSpare takes each rule of the line away.
func TestReadmesUserOfTheOriginalsKeysLacksNothingAndHasNothingToSpare(t *testing.T) {
	t.Parallel()
	_, rules := lineOf(t, "osloist")
	for name, on := range map[string]integration.Topology{"single": integration.StartRedis(t), "sentinel": integration.StartSentinel(t)} {
		try := func(without, database string) error {
			for _, r := range on.All() {
				r.Client().FlushDB(t.Context())
				r.Client().ScriptFlush(t.Context())
			}
			on.All().SetUser("osloist", append([]string{"reset"}, slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r == without })...)...)
			o, err := OpenOslo(strings.Replace(on.As("osloist", readmesPassword), "/0", "/"+database, 1), Config{HeartbeatConfig: quick})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			return osloWhole(t.Context(), o)
		}
		for _, database := range []string{"0", "1"} {
			if err := try("", database); err != nil {
				t.Errorf("%s, with all rules, database %s: %v", name, database, err)
			}
		}
		for _, r := range rules {
			if r[0] != '+' && r[0] != '~' || name == "sentinel" && r == "+select" {
				continue
			}
			database := map[bool]string{true: "1", false: "0"}[r == "+select"]
			if err := try(r, database); err == nil {
				t.Errorf("%s: nothing fails without %s", name, r)
			} else {
				t.Logf("%s, without %s: %v", name, r, err)
			}
		}
	}
}
