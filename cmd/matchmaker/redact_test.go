package main

import (
	"errors"
	"strings"
	"testing"
)

func TestPasswordsAppearNowhere(t *testing.T) {
	t.Parallel()
	at := silence(t)
	refused := startRedis(t)
	refused.RequireAuth("something else")
	commands := []string{"ls", "resolve a", "resolve a --json", "register a b --addr :80", "alive a b --json", "help", "help ls",
		"run --topic a true", "ls --log-level loud", "ls --nosuch", "sidecar --listen off"}
	for _, url := range []string{
		"redis://:s3cr3t-w0rd@" + at, "redis://user:s3cr3t-w0rd@" + refused.Addr(), "redis://:s3cr3t-w0rd@127.0.0.1:1/0",
		"redis://:s3cr3t-w0rd@host:port/0", "redis://:s3cr3t-w0rd@a/b/c", "redis://:s3cr3t-w0rd@a?nosuch=1", "rediss://u:s3cr3t-w0rd@a:b",
		"unix://u:s3cr3t-w0rd@", "redis://:s3cr3t-w0rd#x@a", "redis://:s3cr3t-w0rd/x@a", "redis://:s3cr3t-w0rd%zz@a", "redis://:s3cr3t-w0rd@[::1",
		"redis://:x%40s3cr3t-w0rd@127.0.0.1:1", "redis://u:s3cr3t-w0rd@x@127.0.0.1:1", "http://u:s3cr3t-w0rd@a", "redis+sentinel://u:s3cr3t-w0rd@a",
		"redis://\x7f:s3cr3t-w0rd@a", ":s3cr3t-w0rd@a",
	} {
		for _, c := range commands {
			for _, how := range []call{
				matchmaker(strings.Fields("--timeout=30ms " + c)...).with("MATCHMAKER_REDIS_URL=" + url),
				matchmaker(append([]string{"--timeout=30ms", "--redis-url", url}, strings.Fields(c)...)...),
			} {
				if r := how.run(t); strings.Contains(r.out+r.err, "s3cr3t") {
					t.Errorf("%s with %s says\n%s%s", c, url, r.out, r.err)
				}
			}
		}
	}
}

func TestAShortPasswordDoesNotGarbleMessages(t *testing.T) {
	t.Parallel()
	a := &app{settings: settings{RedisURL: "redis://:a@b"}}
	if got := a.redact("ask redis://:a@b again"); got != "ask redis://xxxxx@b again" {
		t.Error(got)
	}
}

func TestAMessageThatQuotesTheURLHidesItsPassword(t *testing.T) {
	t.Parallel()
	a := &app{settings: settings{RedisURL: "redis://user:p%40ssword@b"}}
	got := a.message(errors.New("redis://user:p%40ssword@b refuses p%40ssword and p@ssword"))
	if want := "redis://xxxxx@b refuses xxxxx and xxxxx"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMessagesNameTheAddressOfEveryFormOfURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://u:secret@a:1/0":                          "a:1",
		"redis://a:1/0?master_name=mm&password=secret":    "a:1",
		"redis+cluster://u:secret@a:1":                    "a:1",
		"redis://u:secret@a:1?addr=b:2":                   "a:1",
		"unix://u:secret@/path":                           "/path",
		"redis://u:sec/ret@a:1":                           "redis:xxxxx",
		"redis://sec/ret@a:1":                             "redis:xxxxx",
		"redis://u:sec@ret@a:1?master_name=mm":            "redis:xxxxx",
		"redis+sentinel://secret#x@a:1/0?master_name=mm":  "redis+sentinel:xxxxx",
		"redis+cluster://secret?x@a:1&password=p%2Fsecre": "redis+cluster:xxxxx",
	} {
		if got := redisAddress(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	a := &app{settings: settings{RedisURL: "redis://a:1/0?master_name=mm&password=s%2Fecret+word"}}
	if got := a.redact("s/ecret word or s%2Fecret+word, ask a@b"); got != "xxxxx or xxxxx, ask a@b" {
		t.Errorf("%q", got)
	}
}

func TestWhatIsWrongIsOfTheSettingThatSaysIt(t *testing.T) {
	t.Parallel()
	for url, origin := range map[string]string{"redis://a:1/0?master_name=mm": "--prefix", "redis+cluster://a:1": "--prefix", "redis+cluster://a:1/7": "MATCHMAKER_REDIS_URL"} {
		r := matchmaker("ls", "--prefix", "A").with("MATCHMAKER_REDIS_URL=" + url).run(t)
		if r.code != exitUsage || !strings.HasPrefix(r.err, "matchmaker: "+origin+": invalid ") {
			t.Errorf("%s: %+v, want %s", url, r, origin)
		}
	}
}
