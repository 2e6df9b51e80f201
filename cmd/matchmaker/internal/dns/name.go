package dns

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/redismm/matchmaker/core"
)

// longestLabel is how long one label of a name may be, in bytes.
const longestLabel = 63

// Domain is s as a name with a dot at its end, in lower case. The error is a [core.ErrInvalid].
func Domain(s string) (string, error) {
	const longest = 100 // leaves room for a host and a topic
	d := strings.ToLower(strings.TrimSuffix(s, "."))
	if d == "" || len(d) > longest || !isHostName(d) {
		return "", core.Invalid("domain", s, `want a name such as "matchmaker" or "mm.example.org", of letters, digits, hyphens and dots, 100 bytes at most`)
	}
	return d + ".", nil
}

// isHostName says whether resolvers take s for the name of a host.
func isHostName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > longestLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !plain(c) && c != '_' && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return len(s) <= 253
}

func plain(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }

// Label is a topic or a host as one label that any resolver carries: lower-case letters, digits, hyphens and
// underscores stand for themselves; any other byte is two underscores and two hex digits, and so is a hyphen at either
// end, and an underscore before one that is so written or before another. A name that would take more than 63 bytes
// is two underscores, an h and 32 hex digits, which is found for hosts alone.
func Label(name string) string {
	var b strings.Builder
	escaped := false // what follows the byte
	parts := make([]string, len(name))
	for i := len(name) - 1; i >= 0; i-- {
		c := name[i]
		atEnd := i == 0 || i == len(name)-1
		if c == '-' && !atEnd || c != '-' && plain(c) || c == '_' && !escaped {
			parts[i] = name[i : i+1]
		} else {
			parts[i] = fmt.Sprintf("__%02x", c)
		}
		escaped = parts[i][0] == '_'
	}
	for _, p := range parts {
		b.WriteString(p)
	}
	if b.Len() > longestLabel {
		sum := sha256.Sum256([]byte(name))
		return fmt.Sprintf("__h%x", sum[:16])
	}
	return b.String()
}

// named is the name that a label in lower case stands for; none if ok is false.
func named(label string) (name string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		if !strings.HasPrefix(label[i:], "__") {
			b.WriteByte(label[i])
			continue
		}
		if len(label) < i+4 {
			return "", false
		}
		c, err := strconv.ParseUint(label[i+2:i+4], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 3
	}
	return b.String(), true
}

// below returns the labels of a name that are before a domain's, as their bytes in lower case; ok is false for a name
// outside the domain.
func below(domain, name string) (labels []string, ok bool) {
	if !dns.IsSubDomain(domain, name) {
		return nil, false
	}
	all := dns.SplitDomainName(name)
	for _, label := range all[:len(all)-dns.CountLabel(domain)] {
		labels = append(labels, lower(bytesOf(label)))
	}
	return labels, true
}

// bytesOf takes back how the library writes bytes that stand for something else in names.
func bytesOf(label string) string {
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		if label[i] != '\\' {
			b.WriteByte(label[i])
			continue
		}
		i++
		if n, err := strconv.ParseUint(label[i:min(i+3, len(label))], 10, 8); err == nil && i+3 <= len(label) {
			b.WriteByte(byte(n))
			i += 2
		} else if i < len(label) {
			b.WriteByte(label[i])
		}
	}
	return b.String()
}

// lower changes letters of ASCII alone, as DNS compares names.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
