package integration_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// stated returns a question: which members of a topic are there, and in which state.
func stated(d core.Directory, topic string) func(context.Context) string {
	return func(ctx context.Context) string {
		v, err := d.Members(ctx, topic)
		if err != nil {
			return cannotTell
		}
		var words []string
		for _, m := range v.Members {
			words = append(words, m.Host+" "+m.State.String())
		}
		return strings.Join(words, ", ")
	}
}

func TestExampleOfComposeKeepsAnAppThatKnowsNothing(t *testing.T) {
	t.Parallel()
	var c composed
	dec := yaml.NewDecoder(strings.NewReader(example(t, "compose.yaml")))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	r := integration.StartRedis(t)
	at := port(t)
	app := application(t, words(c.Services["app"].Command, "python3", python(t), "8000", at))
	sidecar := c.Services["sidecar"]
	if got := sidecar.Environment["MATCHMAKER_REDIS_URL"]; got != "redis://redis:6379/0" {
		t.Errorf("the sidecar asks Redis at %s, want that of the file", got)
	}
	integration.Matchmaker(words(sidecar.Command, "app:8000", "127.0.0.1:"+at)...).With("MATCHMAKER_REDIS_URL="+r.URL,
		"MATCHMAKER_CHECK_INTERVAL=100ms").Start(t)
	becomes(t, soon, stated(store(t, r.URL), "web"), "app up")
	app.Process.Kill()
	becomes(t, soon, stated(store(t, r.URL), "web"), "app failing")
}

// pods is what is read of a Deployment.
type pods struct {
	Kind string
	Spec struct {
		Template struct {
			Spec struct {
				Grace          int         `yaml:"terminationGracePeriodSeconds"`
				InitContainers []container `yaml:"initContainers"`
				Containers     []container
			}
		}
	}
}

type container struct {
	Name          string
	RestartPolicy string `yaml:"restartPolicy"`
	Command, Args []string
	Env           []struct{ Name, Value string }
	Readiness     struct{ Exec struct{ Command []string } } `yaml:"readinessProbe"`
	Lifecycle     struct {
		PreStop struct{ Exec struct{ Command []string } } `yaml:"preStop"`
	}
}

// value is the value of a variable, as it stands in the file.
func (c container) value(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

func TestExampleOfKubernetesDrainsThePodBeforeItsServerStops(t *testing.T) {
	t.Parallel()
	var p pods
	if err := yaml.Unmarshal([]byte(example(t, "kubernetes.yaml")), &p); err != nil {
		t.Fatal(err)
	}
	spec := p.Spec.Template.Spec
	if p.Kind != "Deployment" || len(spec.InitContainers) != 1 || len(spec.Containers) != 1 {
		t.Fatalf("%+v, want a Deployment with one sidecar and one server", p)
	}
	sidecar, server := spec.InitContainers[0], spec.Containers[0]
	if sidecar.RestartPolicy != "Always" {
		t.Errorf("restartPolicy %q makes no sidecar, want Always", sidecar.RestartPolicy)
	}
	if longest := time.Second + core.DefaultPropagation + core.DefaultDrain + 5*time.Second; time.Duration(spec.Grace)*time.Second < longest {
		t.Errorf("a pod is given %d s to end, want %s at least", spec.Grace, longest)
	}
	r := integration.StartRedis(t)
	at, socket := port(t), t.TempDir()+"/listen"
	env := []string{"MATCHMAKER_REDIS_URL=" + r.URL, "MATCHMAKER_LISTEN=" + socket, "POD_IP=10.1.2.3",
		"MATCHMAKER_CHECK_INTERVAL=100ms", "MATCHMAKER_ADVERTISE=" + sidecar.value("MATCHMAKER_ADVERTISE")}
	for _, c := range []container{sidecar, server} {
		if got := c.value("MATCHMAKER_REDIS_URL"); got != "redis://redis:6379/0" {
			t.Errorf("container %s asks Redis at %s, want both at the same", c.Name, got)
		}
	}
	pod := hostname(t) // as that of a pod is the pod's name
	started := integration.Matchmaker(words(sidecar.Args, "$(POD_NAME)", pod, "$(NODE_NAME)", "node7", "http://:8080", "http://:"+at)...).With(env...).Start(t)
	probe := func() int {
		return integration.Matchmaker(sidecar.Readiness.Exec.Command[1:]...).With(env...).Run(t).Code
	}
	started.Says(soon, "the check fails; not registered before it passes")
	if code := probe(); code != 1 {
		t.Errorf("before the server serves the probe ends with %d, want 1", code)
	}
	application(t, words(server.Command, "python3", python(t), "8080", at))
	s := store(t, r.URL)
	becomes(t, soon, stated(s, "web"), pod+" up")
	integration.Eventually(t, soon, "the pod is ready", func() bool { return probe() == 0 })
	v, err := s.Members(t.Context(), "web")
	if err != nil || v.Members[0].Addr != "10.1.2.3:8080" || v.Members[0].Zone != "node7" {
		t.Errorf("%+v, %v, want the pod's address and node", v.Members[0], err)
	}
	hook := server.Lifecycle.PreStop.Exec.Command
	if len(hook) == 0 || hook[0] != "matchmaker" || slices.ContainsFunc(hook, func(w string) bool { return strings.Contains(w, "$(") }) {
		t.Fatalf("the hook is %q, want a matchmaker, without variables, which nobody puts in there", hook)
	}
	got := integration.Matchmaker(hook[1:]...).With(env[0]).Run(t)
	if got.Code != 0 || got.Took < core.DefaultPropagation {
		t.Errorf("the hook: %v, want it to give callers %s", got, core.DefaultPropagation)
	}
	if got := stated(s, "web")(t.Context()); got != pod+" draining" {
		t.Errorf("when the server is stopped its host is %q, want it draining", got)
	}
}
