package redismm

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/redismm/matchmaker/core"
)

// maxReason is the longest reason of a drain, in bytes.
const maxReason = 255

// DrainFor drains a host from outside for d, by an overlay that its owner's beats do not touch and that
// survives its restart; 0 ends the drain. The host stays registered and is shown as [core.Draining]. The
// reason is for whoever asks why: up to 255 bytes of text.
func (s *Store) DrainFor(ctx context.Context, topic, host string, d time.Duration, reason string) error {
	if err := errors.Join(core.CheckTopic(topic), core.CheckHost(host)); err != nil {
		return err
	}
	if d < 0 {
		return core.Invalid("drain time", d.String(), "want more than 0, or 0 to end the drain")
	}
	if len(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) || !utf8.ValidString(reason) {
		return core.Invalid("reason", reason, "want at most 255 bytes of text without control characters")
	}
	until := int64(0)
	if d > 0 {
		pipe := s.read.Pipeline()
		now := s.queueTime(ctx, pipe, topic)
		if _, err := pipe.Exec(ctx); err != nil {
			return s.unavailable(err)
		}
		until = microseconds(now) + d.Microseconds()
	}
	keys := []string{s.keys.set(topic), s.keys.version(topic), s.keys.drains(topic)}
	_, err := one(ctx, s.write, drainScript, keys, s.config.TTL.Milliseconds(), s.life(), newNonce(), s.keys.channel(topic), host, until, reason)
	return s.unavailable(err)
}
