package grpcmm

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/redismm/matchmaker/core"
)

// wanted is what a target says: a topic, and which of its hosts.
type wanted struct {
	topic  string
	zone   string
	labels map[string]string
}

const targetForm = "want " + Scheme + ":///TOPIC, with ?zone=ZONE or &label=NAME=VALUE where hosts are chosen by them"

// parse reads a target.
func parse(u url.URL) (wanted, error) {
	refuse := func(why string) (wanted, error) {
		return wanted{}, core.Invalid("target", u.String(), targetForm+": "+why)
	}
	w := wanted{topic: strings.TrimPrefix(u.Path, "/"), labels: make(map[string]string)}
	if u.Opaque != "" { // matchmaker:compute
		w.topic = u.Opaque
	}
	if u.Host != "" {
		return refuse(fmt.Sprintf("%q is where an authority would be; the topic comes after three slashes", u.Host))
	}
	if u.Fragment != "" {
		return refuse("a # in a topic is written %23")
	}
	if err := core.CheckTopic(w.topic); err != nil {
		return refuse(err.Error())
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return refuse(err.Error())
	}
	for key, values := range query {
		switch {
		case key == "zone" && len(values) == 1:
			w.zone = values[0]
		case key == "label":
			for _, v := range values {
				name, value, ok := strings.Cut(v, "=")
				if _, twice := w.labels[name]; !ok || name == "" || twice {
					return refuse(fmt.Sprintf("label %q is not NAME=VALUE, or its name is given twice", v))
				}
				w.labels[name] = value
			}
		default:
			return refuse(fmt.Sprintf("%s=%s is not known, or given twice", key, values[len(values)-1]))
		}
	}
	return w, nil
}

// among returns the hosts of a view that are wanted, or why there are none.
func (w *wanted) among(v *core.View) ([]*core.Member, error) {
	members, err := v.Reach(w.labelled)
	if err != nil && len(w.labels) > 0 {
		err = fmt.Errorf("%w (labels wanted: %v)", err, w.labels)
	}
	if near := w.near(members); len(near) > 0 {
		return near, nil
	}
	return members, err
}

func (w *wanted) labelled(m *core.Member) bool {
	for name, value := range w.labels {
		if got, ok := m.Labels[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// near returns the members in the zone that is wanted.
func (w *wanted) near(members []*core.Member) []*core.Member {
	var near []*core.Member
	for _, m := range members {
		if w.zone != "" && m.Zone == w.zone {
			near = append(near, m)
		}
	}
	return near
}
