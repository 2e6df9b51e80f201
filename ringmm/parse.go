package ringmm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/redismm/matchmaker/core"
)

// parser reads the text of a ring file. Lines count from 1.
type parser struct {
	path string
	text []byte
	json *json.Decoder
}

// parse returns the lists in a ring file's text, checked, or a [core.ErrInvalid] that names the line.
func parse(path string, text []byte) (lists, error) {
	p := &parser{path, text, json.NewDecoder(bytes.NewReader(text))}
	if at := invalidUTF8(text); at < len(text) {
		return nil, p.wrong(at, errors.New("want UTF-8"))
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(json.RawMessage)); errors.As(err, &syntax) {
		return nil, p.wrong(int(syntax.Offset), err)
	}
	return p.ring()
}

// ring reads the whole text, whose syntax is known to be right.
func (p *parser) ring() (lists, error) {
	if open, _ := p.json.Token(); open != json.Delim('{') {
		return nil, p.wrong(p.offset(), fmt.Errorf("want an object of topics, got %s", named(open)))
	}
	ls := make(lists)
	for p.json.More() {
		token, _ := p.json.Token()
		topic := token.(string)
		if _, twice := ls[topic]; twice {
			return nil, p.wrong(p.offset(), fmt.Errorf("topic %q is there twice", topic))
		}
		list, err := p.list(topic)
		if err != nil {
			return nil, err
		}
		ls[topic] = list
	}
	return ls, nil
}

func (p *parser) list(topic string) ([]core.Registration, error) {
	if open, _ := p.json.Token(); open != json.Delim('[') {
		return nil, p.wrong(p.offset(), fmt.Errorf("topic %q: want a list of hosts, got %s", topic, named(open)))
	}
	list := []core.Registration{}
	seen := make(map[string]core.Registration)
	for p.json.More() {
		var raw json.RawMessage
		_ = p.json.Decode(&raw)
		host, at, err := p.host(raw)
		if err == nil {
			err = checkHost(topic, host, seen)
		}
		if err != nil {
			return nil, p.wrong(p.offset()-len(raw)+at, fmt.Errorf("topic %q, host %d: %w", topic, len(list)+1, err))
		}
		list = append(list, host)
	}
	_, err := p.json.Token()
	return list, err
}

// host reads a host from its value; an error comes with where in the value it is.
func (p *parser) host(raw json.RawMessage) (r core.Registration, at int, err error) {
	switch raw[0] {
	case '"':
		return r, 0, json.Unmarshal(raw, &r.Host)
	case '{':
	default:
		return r, 0, fmt.Errorf("want a name or an object, got %s", raw)
	}
	object := json.NewDecoder(bytes.NewReader(raw))
	object.DisallowUnknownFields()
	err = object.Decode(&r)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return r, int(kind.Offset), fmt.Errorf("%s: want %s, got %s", kind.Field, kind.Type, kind.Value)
	case err != nil:
		unknown := strings.TrimPrefix(err.Error(), "json: unknown field ")
		return r, max(0, bytes.Index(raw, []byte(unknown))),
			fmt.Errorf("unknown field %s: want host, addr, zone, weight and labels", unknown)
	}
	return r, 0, nil
}

// offset is the end of what was read last.
func (p *parser) offset() int { return int(p.json.InputOffset()) }

func (p *parser) wrong(offset int, err error) error {
	line := 1 + bytes.Count(p.text[:min(offset, len(p.text))], []byte("\n"))
	return fmt.Errorf("%w ring file %s, line %d: %w", core.ErrInvalid, p.path, line, err)
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or the length of text.
func invalidUTF8(text []byte) int {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// named says what a token is.
func named(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return "a list"
		}
		return "an object"
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("the string %q", t)
	}
	return fmt.Sprint(t)
}
