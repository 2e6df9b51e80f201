package redismm

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/redismm/matchmaker/core"
)

func FuzzPlainRecordsAreReadAsJSONReadsThem(f *testing.F) {
	for _, r := range []core.Registration{{}, {Addr: "10.0.0.1:8774", Zone: "east", Weight: 65535, Labels: map[string]string{"rack": "r1", "": "x"}},
		{Zone: `a"b\c`, Labels: map[string]string{"é": "<>"}}} {
		f.Add(encodeRecord(&r, core.Draining))
	}
	for _, text := range []string{``, `{`, `{}`, `{} `, `{}x`, `{"addr":"a:1",}`, `{"addr":"a:1" }`, `{"addr":"a","addr":"b"}`, `{"Addr":"a"}`, `{"addr":null}`,
		`{"weight":01}`, `{"weight":-1}`, `{"weight":1e3}`, `{"weight":0}`, `{"weight":999999}`, `{"weight":9999999}`, `{"weight":99999999999999999999}`, `{"weight":"1"}`,
		`{"state":"gone"}`, `{"state":1}`, `{"labels":{}}`, `{"labels":{"a":"b"},"labels":{"c":"d"}}`, `{"labels":{"a":"b","a":"c"}}`, `{"labels":null}`, `{"labels":["a"]}`,
		`{"labels":{"a":1}}`, `{"addr":"` + "\x7f" + `"}`, `{"addr":"` + "\xff" + `"}`, `{"addr":"\u0041"}`, `{"zone":"` + "\n" + `"}`, `{"tier":{"gpu":[1]},"addr":"a:1"}`, `{"addr":"a:1"`, `{"addr"`, `{"addr":`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := readPlain(text)
		if !ok {
			return
		}
		var want record
		if err := json.Unmarshal([]byte(text), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %+v, and by encoding/json as %+v, %v", text, got, want, err)
		}
	})
}

func TestWhatThisReleaseWritesOfOrdinaryNamesIsPlain(t *testing.T) {
	r := core.Registration{Addr: "10.0.0.1:8774", Zone: "east", Weight: 3, Labels: map[string]string{"rack": "r1", "gpu": "a100"}}
	for _, s := range []core.State{core.Up, core.Draining, core.Failing} {
		got, ok := readPlain(encodeRecord(&r, s))
		if want := (record{r.Addr, r.Zone, r.Weight, s, r.Labels}); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", encodeRecord(&r, s), got, ok, want)
		}
	}
}
