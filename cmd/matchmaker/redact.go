package main

import (
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

const hidden = "xxxxx"

// secrets returns what of a Redis URL nobody may read: what stands between // and @, and then the passwords, of
// it and of the option of this name, as they are written and as they are meant.
func secrets(dsn string) []string {
	_, rest, _ := strings.Cut(dsn, "://")
	userinfo, passwords := "", []string(nil)
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		userinfo = rest[:at]
		_, password, _ := strings.Cut(userinfo, ":")
		passwords = append(passwords, password)
	}
	_, query, _ := strings.Cut(rest, "?")
	for option := range strings.SplitSeq(query, "&") {
		if password, ok := strings.CutPrefix(option, "password="); ok {
			passwords = append(passwords, password)
		}
	}
	found := []string{userinfo + "@"}
	for _, p := range passwords {
		found = append(found, p)
		for _, meant := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
			if text, err := meant(p); err == nil {
				found = append(found, text)
			}
		}
	}
	return found
}

// redact takes the secrets of the Redis URL out of text. A password too short to be one is taken out only
// where the URL itself is shown.
func (a *app) redact(text string) string {
	for i, secret := range secrets(a.RedisURL) {
		switch {
		case i == 0 && secret != "@":
			text = strings.ReplaceAll(text, secret, hidden+"@")
		case len(secret) > 3:
			text = strings.ReplaceAll(text, secret, hidden)
		}
	}
	return text
}

// redisAddress is the part of a Redis URL that says where the server is, or the first of several.
func redisAddress(dsn string) string {
	if o, err := redis.ParseURL(dsn); err == nil {
		return o.Addr
	}
	u, err := url.Parse(dsn)
	if err == nil && u.Host != "" && strings.Count(dsn, "@") <= 1 && (u.User != nil || !strings.Contains(dsn, "@")) {
		return u.Host
	}
	scheme, _, _ := strings.Cut(dsn, ":")
	return scheme + ":" + hidden
}
