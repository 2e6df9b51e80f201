package integration_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
	"github.com/redismm/matchmaker/redismm"
)

// askersLine is the user of sentinels that README asks for, as sentinel.conf has it.
func askersLine(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(readme(t)) {
		if strings.HasPrefix(line, "user asker ") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatal("README has no line that begins with: user asker")
	return ""
}

const askersPassword = "PASSWORD" // as README has it

// withSentinelFile returns a DSN whose sentinels are asked by asker with a password file, and the file.
func withSentinelFile(t *testing.T, s *integration.Sentinel, password string) (dsn, file string) {
	t.Helper()
	file = integration.PasswordFile(t, password)
	dsn = strings.Replace(s.AskedAs(s.URL, "asker", "x"), "asker:x@", "asker@", 1)
	return dsn + "&sentinel_password_file=" + file, file
}

func TestSentinelsWithUsersOfTheirOwnAreAskedAsReadmesUser(t *testing.T) {
	t.Parallel()
	s := integration.StartSentinel(t, "sentinel user default off", "sentinel "+askersLine(t))
	inFile, file := withSentinelFile(t, s, askersPassword)
	right := map[string]string{"in the URL": s.AskedAs(s.URL, "asker", askersPassword), "in a file": inFile}

	// What is wrong is named, and no password is shown.
	nobodys, _ := withSentinelFile(t, s, "Sw0rdfish")
	for what, dsn := range map[string]string{
		"a wrong password":         s.AskedAs(s.URL, "asker", "Sw0rdfish"),
		"a wrong password in file": nobodys,
		"an unknown user":          s.AskedAs(s.URL, "nobody", "Sw0rdfish"),
		"nobody":                   s.AskedAs(s.URL, "", ""),
		"a user that is off":       s.AskedAs(s.URL, "default", "Sw0rdfish"),
	} {
		user := "asker"
		if strings.Contains(dsn, "nobody") {
			user = "nobody"
		} else if !strings.Contains(dsn, "asker") {
			user = "default"
		}
		got := ask(t, dsn, "ls")
		if got.Code != 4 || !strings.Contains(got.Err, "no sentinel names the primary: user "+user+" is refused: ") || strings.Contains(got.Err, "Sw0rd") {
			t.Errorf("with %s: %v", what, got)
		}
		d := doctor(t, dsn)
		d.finds(t, "sentinels", redismm.Bad, "user "+user+" is refused", "before the host of the URL, or sentinel_password_file")
		if len(d.found) != 3 || strings.Contains(fmt.Sprint(d.found), "Sw0rd") || d.Code != 1 {
			t.Errorf("with %s: %v, want a finding for each sentinel and exit code 1", what, d.Result)
		}
	}

	kept := make(map[string]*core.HeartbeatMatchMaker)
	for how, dsn := range right {
		h := open(t, dsn, calm)
		register(t, h, "compute", strings.ReplaceAll(how, " ", "-"))
		h.StartHeartbeat()
		kept[how] = h
		doctor(t, dsn).finds(t, "sentinels", redismm.Fine, "3 of 3 name the primary, as user asker", "")
	}

	// A new password is read at the next connection.
	s.Sentinels.SetUser("asker", "resetpass", ">another")
	if err := os.WriteFile(file, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Sentinels.KillSubscriptions()
	old := s.Primary()
	old.Kill()
	s.PrimaryAfter(old)
	integration.Eventually(t, 2*soon, "the one whose password is in a file beats on after a failover", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return kept["in a file"].SendHeartbeats(ctx) == nil
	})

	// Nothing was asked that README's user may not do, but by the doctor.
	for _, r := range s.Sentinels {
		for _, denied := range denials(t, r) {
			if !strings.HasSuffix(denied, "sentinel|ckquorum") {
				t.Errorf("sentinel at %s refused %s", r.Addr, denied)
			}
		}
	}
}

// denials is what a server refused its users, but to come in.
func denials(t *testing.T, r *integration.Redis) []string {
	t.Helper()
	entries, err := r.Client().Do(t.Context(), "ACL", "LOG").Slice()
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, e := range entries {
		if m, _ := e.(map[any]any); m["reason"] != "auth" {
			refused = append(refused, fmt.Sprintf("%v %v %v", m["username"], m["reason"], m["object"]))
		}
	}
	return refused
}

// Without a command of it, or a channel, a sentinel refuses what go-redis sends.
func TestEveryRuleOfReadmesUserOfSentinelsIsNeeded(t *testing.T) {
	t.Parallel()
	s := integration.StartSentinel(t, "sentinel user default off", "sentinel "+askersLine(t))
	dsn := s.AskedAs(s.URL, "asker", askersPassword)
	uses := func() { // what a process sends to sentinels
		o, err := redis.ParseFailoverURL(dsn)
		if err != nil {
			t.Fatal(err)
		}
		st := store(t, dsn)
		_, _ = st.Topics(t.Context())
		st.Close()
		for _, addr := range o.SentinelAddrs { // what go-redis sends later, to see whether a subscription lives
			c := redis.NewSentinelClient(&redis.Options{Addr: addr, Username: "asker", Password: askersPassword, DisableIdentity: true})
			c.Ping(t.Context())
			c.Close()
		}
	}
	rules := strings.Fields(askersLine(t))[2:]
	for _, rule := range rules {
		if !strings.HasPrefix(rule, "+") && !strings.HasPrefix(rule, "&") {
			continue
		}
		for _, r := range s.Sentinels {
			if err := r.Client().Do(t.Context(), "ACL", "LOG", "RESET").Err(); err != nil {
				t.Fatal(err)
			}
		}
		left := []string{"reset"}
		for _, other := range rules {
			if other != rule {
				left = append(left, other)
			}
		}
		s.Sentinels.SetUser("asker", left...)
		integration.Eventually(t, soon, "something is refused without "+rule, func() bool {
			uses()
			for _, r := range s.Sentinels {
				if len(denials(t, r)) > 0 {
					return true
				}
			}
			return false
		})
	}
}

func TestDoctorFindsWhatIsWrongWithSentinels(t *testing.T) {
	t.Parallel()
	s := integration.StartSentinel(t)
	d := doctor(t, strings.Replace(s.URL, "master_name=mm", "master_name=nn", 1))
	d.finds(t, "sentinels", redismm.Bad, `the primary of "nn": this master_name is not known there`, "SENTINEL MASTERS")
	d = doctor(t, strings.Replace(s.URL, s.Sentinels[0].Addr, s.Servers[0].Addr, 1))
	d.finds(t, "sentinels", redismm.Warning, s.Servers[0].Addr+" does not name the primary of \"mm\": who answers is a server, not a sentinel", "26379")
	d.onlyBad(t)
	d = doctor(t, s.Sentinels[0].URL)
	d.finds(t, "server", redismm.Bad, "a Sentinel", "master_name")

	s.Sentinels[0].Kill()
	d = doctor(t, s.URL)
	d.finds(t, "sentinels", redismm.Warning, s.Sentinels[0].Addr+" does not name", "runs")
	d.onlyBad(t)
	s.Sentinels[1].Kill()
	integration.Eventually(t, soon, "the last sentinel says that it is too few", func() bool {
		return strings.Contains(fmt.Sprint(doctor(t, s.URL).found), "could not have another primary chosen: NOQUORUM")
	})
	s.Sentinels[2].Kill()
	if d = doctor(t, s.URL); d.Code != 4 || !strings.Contains(d.Out, "no sentinel names the primary: dial tcp") {
		t.Errorf("without sentinels: %v", d.Result)
	}
}
