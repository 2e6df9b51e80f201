package main

import (
	"net"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/checks"
	"github.com/redismm/matchmaker/core"
)

func TestARegistrationIsReadFromOneWord(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	healthz, err := checks.Parse("http://127.0.0.1:80/healthz?a=b")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]kept{
		"compute=node1": {Registration: registration("compute", "node1")},
		"compute":       {Registration: registration("compute", name)},
		"compute=":      {Registration: registration("compute", name)},
		"a=b=c":         {Registration: registration("a", "b=c")},
		"a=b,addr=[::1]:80,zone=east,weight=7,label.rack=r=1,label.x.y=": {Registration: core.Registration{Topic: "a", Host: "b",
			Addr: "[::1]:80", Zone: "east", Weight: 7, Labels: map[string]string{"rack": "r=1", "x.y": ""}}},
		"compute,zone=z": {Registration: core.Registration{Topic: "compute", Host: name, Zone: "z"}},
		"a=b,check=http://:80/healthz?a=b,zone=z": {core.Registration{Topic: "a", Host: "b", Zone: "z"}, healthz},
	} {
		if got, err := parseRegistration(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"a=b,":                     `"" is not name=value`,
		"a=b,addr":                 `"addr" is not name=value`,
		"a=b,zone=x,zone=y":        `"zone=y" is not name=value, or given twice`,
		"a=b,weight=heavy":         `invalid weight "heavy": want 1 to 65535`,
		"a=b,port=80":              `invalid field "port": want addr, zone, weight, label.NAME or check`,
		"a=b,check=8080":           `invalid check "8080": want http://HOST:PORT/PATH`,
		"a=b,label.=x":             `invalid label "=x"`,
		"a=b,label.x=1,label.x=2":  `"label.x=2" is not name=value, or given twice`,
		"a=b,addr=:80,zone=,color": `"color" is not name=value`,
	} {
		if _, err := parseRegistration(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestTheVariableHoldsSeveralRegistrations(t *testing.T) {
	t.Parallel()
	want := registrations{{Registration: registration("a", "b")}, {Registration: registration("c", "d")}, {Registration: registration("e", "f")}}
	for _, text := range []string{"a=b c=d e=f", "a=b\nc=d\r\n\te=f\n", "a=b;c=d; e=f;", "\n  a=b;;c=d\n  e=f"} {
		var got registrations
		if err := got.EnvDecode(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestAnAddrWithoutAHostGetsThisMachinesAddress(t *testing.T) {
	t.Parallel()
	reach := func(url, addr string) (string, error) {
		return (&app{settings: settings{RedisURL: url, Advertise: "auto"}}).reachable(t.Context(), addr)
	}
	for _, url := range []string{"redis://127.0.0.1:6379", "redis://localhost", "unix:///run/redis.sock", embeddedURL, "redis://127.9.9.9",
		"redis://:pw@127.0.0.1/0?master_name=mm&password_file=x", "redis+cluster://localhost:7000", "redis://127.0.0.1:1?addr=127.0.0.1:2"} {
		for _, addr := range []string{":80", "0.0.0.0:80", "[::]:80"} {
			got, err := reach(url, addr)
			if host, _, _ := net.SplitHostPort(got); err != nil || !net.ParseIP(host).IsLoopback() {
				t.Errorf("%s beside %s: %s, %v, want loopback", addr, url, got, err)
			}
		}
	}
	for _, addr := range []string{"10.0.0.1:80", "node1:80", "", "80", "[::1]:80", "127.0.0.1:80"} {
		if got, err := reach("redis://192.0.2.1", addr); err != nil || got != addr {
			t.Errorf("%s: %s, %v, want it as it is", addr, got, err)
		}
	}
	here, err := machine(t.Context(), "redis://192.0.2.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"redis://192.0.2.1", "redis://no-such-host.invalid", "redis://u:p@192.0.2.1:26379/0?addr=192.0.2.2:26379&master_name=a",
		"redis://127.0.0.1:26379/0?addr=192.0.2.2:26379&master_name=a", "redis+cluster://localhost:7000?addr=127.0.0.1:7001&addr=192.0.2.2:7000"} {
		got, err := reach(url, ":80")
		if err != nil { // as where there are several networks, or none
			if !strings.Contains(err.Error(), "addresses fit") && !strings.Contains(err.Error(), "has none") {
				t.Errorf(":80 beside %s: %v", url, err)
			}
			continue
		}
		host, port, _ := net.SplitHostPort(got)
		if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() || port != "80" {
			t.Errorf(":80 beside %s: %s, want an address of this machine that is not loopback (%v)", url, got, here.Interfaces)
		}
	}
}

func TestTheAdvertisedAddressIsChosenAndExplained(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	for _, c := range []struct {
		env    string
		args   []string
		served string
		why    string
	}{
		{"", nil, "127.0.0.1:80", "Redis is on this machine, and so are its callers"},
		{"", []string{"--advertise=203.0.113.9"}, "203.0.113.9:80", "it was given; no interface of this machine has it"},
		{"MATCHMAKER_ADVERTISE=env:POD_IP", nil, "10.1.2.3:80", "the variable POD_IP holds it; no interface"},
	} {
		b := sidecar(append(c.args, "--register=a=x,addr=:80", "--register=b=x,addr=:80")...).at(m).with("POD_IP=10.1.2.3", c.env).start(t)
		b.err.says(t, `"address":"`+strings.TrimSuffix(c.served, ":80")+`","why":"`+c.why, `"addr":"`+c.served)
		if n := strings.Count(b.err.String(), `"message":"advertising"`); n != 1 {
			t.Errorf("the choice is explained %d times, want once", n)
		}
		b.end(t)
	}
	for _, c := range []struct{ env, says string }{
		{"MATCHMAKER_ADVERTISE=127.0.0.1", `addr ":80", and MATCHMAKER_ADVERTISE: invalid advertised address "127.0.0.1": Redis is not on this machine`},
		{"MATCHMAKER_ADVERTISE=env:NO_SUCH", `the variable NO_SUCH is "", want an IP address in it`},
		{"MATCHMAKER_ADVERTISE=node1", "want auto, an IP address, iface:NAME, cidr:PREFIX or env:VARIABLE"},
	} {
		for _, args := range [][]string{{"sidecar", "--register=a=x,addr=:80"}, {"run", "--topic=a", "--addr=:80", "true"}, {"register", "a", "x", "--addr=:80"}} {
			if r := matchmaker(args...).with("MATCHMAKER_REDIS_URL=redis://192.0.2.1", c.env).run(t); r.code != exitUsage || !strings.Contains(r.err, c.says) {
				t.Errorf("%q with %s: %+v, want %s", args, c.env, r, c.says)
			}
		}
	}
}

func TestRegisterMakesItsAddressWhole(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	if r := matchmaker("register", "a", "b", "--addr", ":8080").at(m).run(t); r.out != "registered a.b at 127.0.0.1:8080 for 15s\n" {
		t.Errorf("%+v", r)
	}
}
