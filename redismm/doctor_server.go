package redismm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// What INFO tells of a server.

// oldest is the release of Redis whose commands the scripts use.
const oldestMajor, oldestMinor = 6, 2

// replica is a role as INFO calls it.
const replica = "slave"

// errOther says that it is not what the URL takes it for, so that nothing more can be found out.
var errOther = errors.New("of another kind")

// clusterURL is the fix of a URL that takes a cluster for one server.
const clusterURL = "write redis+cluster:// in the URL, or rediss+cluster://"

// server reads INFO, and looks at version and role.
func (p *patient) server(ctx context.Context, conn *redis.Conn) error {
	text, err := conn.Info(ctx).Result()
	if err != nil {
		if !refused(err) {
			return err
		}
		p.finds("server", Warning, "ACL SETUSER "+p.store.user()+" +info, or run the doctor as an administrator",
			"version, role, memory and eviction policy cannot be seen: INFO answers %s", err)
		return nil
	}
	p.info = readInfo(text)
	name, version := "Redis", p.info["redis_version"]
	if other := p.info["server_name"]; other != "" && other != "redis" {
		name = other
		if v := p.info[other+"_version"]; v != "" {
			version = v + ", as Redis " + version
		}
	}
	switch {
	case p.info["redis_mode"] == "sentinel":
		p.finds("server", Bad, "add ?master_name=NAME to the URL: SENTINEL MASTERS lists the names", "it is a Sentinel, which keeps no data")
		return errOther
	case p.info["redis_mode"] == "cluster" && !p.store.clustered():
		p.finds("access", Bad, clusterURL, "it is one of a cluster, which keeps a part of the topics, and the URL asks it alone")
		return errOther
	case older(p.info["redis_version"]):
		p.finds("server", Bad, fmt.Sprintf("upgrade to %d.%d or later", oldestMajor, oldestMinor), "it is %s %s, which lacks commands that the scripts use", name, version)
	case p.info["role"] == replica:
		p.finds("server", Bad, fmt.Sprintf("give the URL of the primary, %s:%s, or one of Sentinels, who know it", p.info["master_host"], p.info["master_port"]),
			"it is %s %s, and a replica: it takes no writes, and what it shows may be old", name, version)
	default:
		p.finds("server", Fine, "", "it is %s %s, a primary, replicas: %s (this release is tested with 7.0)", name, version, p.info["connected_slaves"])
	}
	return nil
}

// readInfo reads the lines name:value of INFO.
func readInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// older says whether a version is known to be too old.
func older(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major < oldestMajor || major == oldestMajor && minor < oldestMinor
}

// Of the memory that Redis may use, so much in a hundred is worth a word.
const (
	muchUsed = 80
	mostUsed = 95
)

// memory looks at the eviction policy, and at how much room is left.
func (p *patient) memory(context.Context, *redis.Conn) error {
	policy := p.info["maxmemory_policy"]
	if policy == "" {
		return nil // the server's finding says why
	}
	if policy == "noeviction" {
		p.finds("eviction", Fine, "", "no key is evicted: maxmemory-policy is noeviction")
	} else {
		p.finds("eviction", Warning, "CONFIG SET maxmemory-policy noeviction, and in redis.conf; or a Redis of its own",
			"maxmemory-policy is %s: when memory is short Redis removes registrations, which are back an interval later", policy)
	}
	used, limit := number(p.info["used_memory"]), number(p.info["maxmemory"])
	if limit == 0 {
		p.finds("memory", Fine, "", "%s used, without a limit (maxmemory 0)", p.info["used_memory_human"])
		return nil
	}
	as, fix := judgeMemory(100 * used / limit)
	p.finds("memory", as, fix, "%s used of %s, %d%%", p.info["used_memory_human"], p.info["maxmemory_human"], 100*used/limit)
	return nil
}

func judgeMemory(percent int64) (Severity, string) {
	const fix = "raise maxmemory, or remove keys: a Redis that is full refuses registrations"
	switch {
	case percent >= mostUsed:
		return Bad, fix
	case percent >= muchUsed:
		return Warning, fix
	}
	return Fine, ""
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// keysWithTTL reads how many keys of a database expire.
func (p *patient) keysWithTTL(db int) int64 {
	for part := range strings.SplitSeq(p.info["db"+strconv.Itoa(db)], ",") {
		if value, ok := strings.CutPrefix(part, "expires="); ok {
			return number(value)
		}
	}
	return 0
}
