package redismm

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// readRecord decodes the text of a record. What encodeRecord writes of ordinary names is read here, many times as fast as
// by encoding/json, because every list of hosts reads every record; any other spelling of JSON is left to that.
func readRecord(text string) (r record, err error) {
	if plain, ok := readPlain(text); ok {
		return plain, nil
	}
	err = json.Unmarshal([]byte(text), &r)
	return r, err
}

// spelling is what is left to read of a record.
type spelling struct {
	rest string
	bad  bool
}

func readPlain(text string) (r record, ok bool) {
	p := &spelling{rest: text}
	p.object(func(name string) {
		switch name {
		case "addr":
			r.Addr = p.text()
		case "zone":
			r.Zone = p.text()
		case "weight":
			r.Weight = p.number()
		case "state":
			_ = r.State.UnmarshalText([]byte(p.text()))
		case "labels":
			p.bad = p.bad || r.Labels != nil
			r.Labels = make(map[string]string)
			p.object(func(name string) { r.Labels[name] = p.text() })
		default:
			p.bad = true
		}
	})
	return r, !p.bad && p.rest == ""
}

// take takes one character, and says whether it was there.
func (p *spelling) take(c byte) bool {
	if p.bad || len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *spelling) want(c byte) { p.bad = !p.take(c) || p.bad }

// object reads names, each with what value reads.
func (p *spelling) object(value func(name string)) {
	p.want('{')
	if p.take('}') {
		return
	}
	for {
		name := p.text()
		p.want(':')
		if p.bad {
			return
		}
		value(name)
		if !p.take(',') {
			break
		}
	}
	p.want('}')
}

// text reads a string of printable ASCII that needs no escapes.
func (p *spelling) text() string {
	p.want('"')
	end := strings.IndexByte(p.rest, '"')
	if p.bad || end < 0 {
		p.bad = true
		return ""
	}
	s := p.rest[:end]
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			p.bad = true
			return ""
		}
	}
	p.rest = p.rest[end+1:]
	return s
}

// number reads an integer of up to six digits.
func (p *spelling) number() int {
	end := 0
	for end < len(p.rest) && end < 7 && p.rest[end] >= '0' && p.rest[end] <= '9' {
		end++
	}
	if p.bad || end == 0 || end > 6 || end > 1 && p.rest[0] == '0' {
		p.bad = true
		return 0
	}
	n, _ := strconv.Atoi(p.rest[:end])
	p.rest = p.rest[end:]
	return n
}

// member decodes a live value. A record that does not parse is Failing, and nameless but for its place: the
// host is registered, whatever was written beside it.
func (v value) member(topic, host string) core.Member {
	m := core.Member{Registration: core.Registration{Topic: topic, Host: host}, Instance: v.stamp}
	r, err := readRecord(v.record)
	if err != nil {
		m.State = core.Failing
		return m
	}
	m.Addr, m.Zone, m.Weight, m.Labels, m.State = r.Addr, r.Zone, r.Weight, r.Labels, r.State
	return m
}
