package main

import (
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

const hidden = "xxxxx"

// secrets returns what of a Redis URL nobody may read: what stands between // and @, and what of it stands
// after the colon, as it is written and as it is meant.
func secrets(dsn string) []string {
	_, rest, _ := strings.Cut(dsn, "://")
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return nil
	}
	userinfo := rest[:at]
	_, password, _ := strings.Cut(userinfo, ":")
	found := []string{userinfo + "@", password}
	if meant, err := url.PathUnescape(password); err == nil {
		found = append(found, meant)
	}
	return found
}

// redact takes the secrets of the Redis URL out of text. A password too short to be one is taken out only
// where the URL itself is shown.
func (a *app) redact(text string) string {
	for i, secret := range secrets(a.RedisURL) {
		switch {
		case i == 0:
			text = strings.ReplaceAll(text, secret, hidden+"@")
		case len(secret) > 3:
			text = strings.ReplaceAll(text, secret, hidden)
		}
	}
	return text
}

// redisAddress is the part of a Redis URL that says where the server is.
func redisAddress(dsn string) string {
	if o, err := redis.ParseURL(dsn); err == nil {
		return o.Addr
	}
	scheme, _, _ := strings.Cut(dsn, ":")
	return scheme + ":" + hidden
}

func readable(dsn string) bool {
	_, err := redis.ParseURL(dsn)
	return err == nil
}
