package hostfile

import (
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func view(rs ...core.Registration) *core.View {
	v := &core.View{Topic: "web", Version: core.Version{Seq: 1}}
	for _, r := range rs {
		v.Members = append(v.Members, &core.Member{Registration: r})
	}
	return v
}

func at(host, addr string) core.Registration {
	return core.Registration{Topic: "web", Host: host, Addr: addr}
}

func TestFormatsAreAsTheirReadersWantThem(t *testing.T) {
	t.Parallel()
	v := view(core.Registration{Topic: "web", Host: "a", Addr: "10.0.0.1:80", Weight: 1000, Zone: "east"}, at("b;}", "[::1]:81"), at("C__d", "db.example.org:82"), at("silent", ""))
	draining := *v.Members[0]
	draining.Host, draining.State = "z", core.Draining
	v.Members = append(v.Members, &draining)
	for format, want := range map[string]string{
		"nginx": "upstream up {\n    server 10.0.0.1:80 weight=1000; # a\n    server [::1]:81 weight=1; # \"b;}\"\n    server db.example.org:82 weight=1; # C__d\n}\n",
		"haproxy": "backend up\n    server a 10.0.0.1:80 weight 256\n    server b__3b__7d [::1]:81 weight 1\n" +
			"    server __43__5f_d db.example.org:82 weight 1 init-addr last,libc,none\n",
	} {
		text, hosts := Render(format, "up", v, func(m *core.Member) { t.Errorf("%s is refused", m.Host) })
		if got := strings.TrimPrefix(string(text), notice); got != want || hosts != 3 {
			t.Errorf("%s of %d hosts:\n%s\nwant\n%s", format, hosts, got, want)
		}
	}
	text, hosts := Render("file_sd", "", v, nil)
	if hosts != 4 || strings.Count(string(text), `"targets"`) != 4 || !strings.Contains(string(text), `"__meta_matchmaker_state": "draining"`) {
		t.Errorf("file_sd of %d hosts: %s", hosts, text)
	}
}

func TestAnAddressThatReadersTakeForSomethingElseLeavesItsHostOut(t *testing.T) {
	t.Parallel()
	v := view(at("good", "10.0.0.1:80"), at("bracketed", "[10.0.0.1]:80"), at("named", "[localhost]:80"), at("socket", "unix:80"))
	var refused []string
	text, hosts := Render("nginx", "up", v, func(m *core.Member) { refused = append(refused, m.Host) })
	if hosts != 1 || strings.Join(refused, " ") != "bracketed named socket" {
		t.Errorf("%d hosts, refused %q:\n%s", hosts, refused, text)
	}
}

// Registrations are text without control characters, and nothing else is known of them.
func FuzzNothingBreaksOut(f *testing.F) {
	for _, s := range []string{"a:80", "a;:80", "{:80", "[::1%25eth0]:80", "a b:80", "a#:80", "a\n:80", "$x:80", "\"a\":80", "unix:/x:1"} {
		f.Add("host", s)
		f.Add(s, "10.0.0.1:80")
	}
	f.Fuzz(func(t *testing.T, host, addr string) {
		r := at(host, addr)
		if r.Check() != nil || addr == "" {
			return
		}
		for _, format := range []string{"nginx", "haproxy"} {
			refused := 0
			text, hosts := Render(format, "up", view(r), func(*core.Member) { refused++ })
			if hosts+refused != 1 {
				t.Fatalf("%q at %q: %d hosts, %d refused", host, addr, hosts, refused)
			}
			lines := strings.Split(strings.TrimPrefix(string(text), notice), "\n")
			if want := map[string]int{"nginx": 4, "haproxy": 3 - refused}[format]; len(lines) != want {
				t.Errorf("%q at %q: %q", host, addr, text)
			}
			code, _, _ := strings.Cut(lines[1], " #")
			if strings.ContainsAny(code, "{}\"'\\$#\r") || strings.Count(code, ";") > 1 || format == "nginx" && len(strings.Fields(code)) > 3 {
				t.Errorf("%q at %q: %q", host, addr, text)
			}
		}
	})
}
