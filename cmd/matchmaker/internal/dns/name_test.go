package dns

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestLabelsStandForNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"compute": "compute", "node-1": "node-1", "a_b": "a_b", "_a": "_a", "a_": "a_",
		"a.b": "a__2eb", "Compute": "__43ompute", "a__b": "a__5f_b", "a_.b": "a__5f__2eb", "_": "_", "__": "__5f_",
		"-a-": "__2da__2d", "é": "__c3__a9", "a b": "a__20b", "a\\b": "a__5cb",
		strings.Repeat("a", 63): strings.Repeat("a", 63), strings.Repeat("a", 64): "__hffe054fe7ae0cb6dc65c3af9b61d5209",
	} {
		if got := Label(name); got != want {
			t.Errorf("the label of %q is %q, want %q", name, got, want)
		}
	}
	for _, label := range []string{"a__", "a__2", "a__2x", "__h00", "a__zz"} {
		if name, ok := named(label); ok {
			t.Errorf("%q stands for %q, want none", label, name)
		}
	}
}

func TestATopicIsAskedForByItsLabel(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for i, topic := range []string{"a.b", "Compute", "_x", "a__b", "grüße", "a b", strings.Repeat("t", 62)} {
		addr := "10.0.0." + string(rune('1'+i))
		s.put(topic, at("x", addr+":80"))
		s.says(Label(topic)+".matchmaker.", dns.TypeA, "NOERROR, "+addr)
		s.says("_"+Label(topic)+"._tcp.matchmaker.", dns.TypeSRV, "NOERROR, 0 1 80 x."+Label(topic)+".matchmaker.")
		s.says("X."+strings.ToUpper(Label(topic))+".matchmaker.", dns.TypeA, "NOERROR, "+addr)
	}
	s.says(`a\.b.matchmaker.`, dns.TypeA, "NOERROR, 10.0.0.1") // as DNS itself writes it
	s.says(`gr\195\188\195\159e.matchmaker.`, dns.TypeA, "NOERROR, 10.0.0.5")
	s.says("a__.matchmaker.", dns.TypeA, "NXDOMAIN, SOA")
	s.says("fanout.matchmaker.", dns.TypeA, "NXDOMAIN, SOA") // no topic can be called so
	s.says("__7b__7d.matchmaker.", dns.TypeA, "NXDOMAIN, SOA")
}

func TestADomainIsAName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"matchmaker": "matchmaker.", "MM.Example.Org.": "mm.example.org.", "": "", ".": "", "a..b": "",
		"a b": "", "-a": "", "\x1d": "", strings.Repeat("a", 101): "", "ü": ""} {
		got, err := Domain(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func FuzzLabel(f *testing.F) {
	for _, s := range []string{"compute", "a.b", "__", "_.", "-", "\x00", strings.Repeat("Ä", 99)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		label := Label(name)
		if name != "" && !isHostName(label) {
			t.Errorf("the label of %q is %q, which is no host name", name, label)
		}
		if got, ok := named(label); !strings.HasPrefix(label, "__h") && (!ok || got != name) {
			t.Errorf("the label %q of %q stands for %q, %v", label, name, got, ok)
		}
		if strings.HasPrefix(label, "__h") && len(label) != 35 {
			t.Errorf("the label of %q is %q", name, label)
		}
	})
}
