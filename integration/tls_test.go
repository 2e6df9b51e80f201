package integration_test

import (
	"crypto/tls"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/redismm/matchmaker/integration"
)

func TestTLSServerIsReachedByThoseWhoTrustItOnly(t *testing.T) {
	t.Parallel()
	certs := integration.NewTLS(t)
	r := integration.StartRedis(t, certs.Server()...)
	puts(t, r.Client(), "k", "v")
	ping := func(change func(*redis.Options)) error {
		o, err := redis.ParseURL(r.URL)
		if err != nil {
			t.Fatal(err)
		}
		change(o)
		c := redis.NewClient(o)
		defer c.Close()
		return c.Ping(t.Context()).Err()
	}
	if err := ping(func(o *redis.Options) { o.TLSConfig.RootCAs = certs.Client(t).RootCAs }); err != nil {
		t.Errorf("with the authority: %v", err)
	}
	if err := ping(func(o *redis.Options) {}); err == nil {
		t.Error("without the authority it is trusted")
	}
	if err := ping(func(o *redis.Options) { o.TLSConfig = nil }); err == nil {
		t.Error("without TLS it answers")
	}
	if err := single(t, r.URL+"?skip_verify=true").Ping(t.Context()).Err(); err != nil {
		t.Errorf("with skip_verify: %v", err)
	}
}

// mutual returns the client's configuration, and one without its certificate.
func mutual(t *testing.T, certs *integration.TLS) (whole, anonymous *tls.Config) {
	whole = certs.Client(t)
	anonymous = whole.Clone()
	anonymous.Certificates = nil
	return whole, anonymous
}

func TestSentinelWithMutualTLSAndPasswords(t *testing.T) {
	t.Parallel()
	certs := integration.NewTLS(t)
	s := integration.StartSentinel(t, append(certs.Mutual(), "requirepass secret", "sentinel requirepass watching")...)
	whole, anonymous := mutual(t, certs)
	connect := func(change func(*redis.FailoverOptions)) *redis.Client {
		o, err := redis.ParseFailoverURL(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		o.TLSConfig, o.MaxRetries = whole, -1
		change(o)
		c := redis.NewFailoverClient(o)
		t.Cleanup(func() { c.Close() })
		return c
	}
	client := connect(func(o *redis.FailoverOptions) {})
	puts(t, client, "k", "v")
	for what, change := range map[string]func(*redis.FailoverOptions){
		"certificate":           func(o *redis.FailoverOptions) { o.TLSConfig = anonymous },
		"password":              func(o *redis.FailoverOptions) { o.Password = "" },
		"sentinels' password":   func(o *redis.FailoverOptions) { o.SentinelPassword = "" },
		"transport encryption ": func(o *redis.FailoverOptions) { o.TLSConfig = nil },
	} {
		if err := connect(change).Ping(t.Context()).Err(); err == nil {
			t.Errorf("without the %s it answers", what)
		}
	}
	s.Failover("")
	eventuallyReads(t, client, "k", "v")
}

func TestClusterWithMutualTLSAndUsers(t *testing.T) {
	t.Parallel()
	certs := integration.NewTLS(t)
	c := integration.StartCluster(t, append(certs.Mutual(), "user default off", "user alice on >secret ~mm:* +@all")...)
	whole, anonymous := mutual(t, certs)
	connect := func(dsn string, config *tls.Config) *redis.ClusterClient {
		o, err := redis.ParseClusterURL(dsn)
		if err != nil {
			t.Fatal(err)
		}
		o.TLSConfig = config
		client := redis.NewClusterClient(o)
		t.Cleanup(func() { client.Close() })
		return client
	}
	alice := connect(c.As("alice", "secret"), whole)
	puts(t, alice, "mm:{tag}", "v")
	if err := alice.Get(t.Context(), "k").Err(); err == nil || !redis.IsPermissionError(err) {
		t.Errorf("another's key: %v, want NOPERM", err)
	}
	for what, client := range map[string]*redis.ClusterClient{
		"user": connect(c.URL, whole), "certificate": connect(c.As("alice", "secret"), anonymous),
	} {
		if err := client.Ping(t.Context()).Err(); err == nil {
			t.Errorf("without the %s it answers", what)
		}
	}
	c.Failover("mm:{tag}")
	c.MigrateSlot("mm:{tag}")()
	eventuallyReads(t, alice, "mm:{tag}", "v")
}
