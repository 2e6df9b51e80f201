package core

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Both spellings of a fanout key's beginning. The original documented the second and implemented the
// first; both work, and FanoutPrefix is the canonical one.
const (
	FanoutPrefix    = "fanout~"
	fanoutDotPrefix = "fanout."
)

// FanoutTopic returns the topic of a fanout key: the key without one fanout~ or fanout. at its beginning.
func FanoutTopic(key string) (topic string, ok bool) {
	if key == "" || key[0] != FanoutPrefix[0] { // at once
		return key, false
	}
	if topic, ok = strings.CutPrefix(key, FanoutPrefix); ok {
		return topic, true
	}
	return strings.CutPrefix(key, fanoutDotPrefix)
}

// SplitDirect splits a direct key at its first dot. A fanout key in its dotted spelling is split as in its
// canonical one.
func SplitDirect(key string) (topic, host string, ok bool) {
	key = canonical(key)
	if dot := strings.IndexByte(key, '.'); dot >= 0 { // Cut takes twice as long
		return key[:dot], key[dot+1:], true
	}
	return key, "", false
}

// DirectKey is the key that reaches one host of a topic.
func DirectKey(topic, host string) string { return topic + "." + host }

// canonical spells a fanout key with fanout~ and leaves every other key as it is.
func canonical(key string) string {
	if topic, ok := strings.CutPrefix(key, fanoutDotPrefix); ok {
		return FanoutPrefix + topic
	}
	return key
}

// MaxName is the longest topic or host, in bytes.
const MaxName = 255

// CheckTopic returns nil for a name under which hosts can register, else an [ErrInvalid]: 1 to 255 bytes of
// UTF-8 without control characters and braces, not "fanout", not beginning as a fanout key does.
func CheckTopic(topic string) error {
	if err := checkName("topic", topic); err != nil {
		return err
	}
	if strings.ContainsAny(topic, "{}") {
		return Invalid("topic", topic, "want a name without { and }")
	}
	if _, fanout := FanoutTopic(topic); fanout || topic == "fanout" {
		return Invalid("topic", topic, `want a name that is not "fanout" and does not begin with "fanout~" or "fanout."`)
	}
	return nil
}

// CheckHost returns nil for a name that a host can register as, else an [ErrInvalid]: 1 to 255 bytes of UTF-8
// without control characters.
func CheckHost(host string) error { return checkName("host", host) }

func checkName(field, name string) error {
	if name == "" || len(name) > MaxName {
		return Invalid(field, name, "want 1 to 255 bytes")
	}
	return checkText(field, name)
}

func checkText(field, text string) error {
	if !utf8.ValidString(text) {
		return Invalid(field, text, "want valid UTF-8")
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return Invalid(field, text, "want text without control characters")
	}
	return nil
}
