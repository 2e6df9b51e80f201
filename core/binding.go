package core

import "strings"

// Binding says whether a key belongs to the exchange bound behind it: the original's class Binding and its
// method test. A Binding is a pure function; any number of calls may run at once.
type Binding func(key string) bool

// FanoutBinding accepts fanout keys: the original's class FanoutBinding.
func FanoutBinding(key string) bool {
	_, ok := FanoutTopic(key)
	return ok
}

// DirectBinding accepts keys with a dot, which name a host: the original's class DirectBinding. A dotted
// key is always direct, so a topic whose own name has a dot is reached by its fanout key only.
func DirectBinding(key string) bool {
	return strings.IndexByte(strings.TrimPrefix(key, fanoutDotPrefix), '.') >= 0
}

// TopicBinding accepts bare keys, without a dot: the original's class TopicBinding.
func TopicBinding(key string) bool { return !DirectBinding(key) }
