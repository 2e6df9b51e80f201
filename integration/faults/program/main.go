// Command program is a [hand.Hand] and nothing else: what is built with a wrong clock for a process of its own.
package main

import (
	"github.com/redismm/matchmaker/integration/crew"
	"github.com/redismm/matchmaker/integration/faults/hand"
)

func main() { crew.Enlist(new(hand.Hand)) }
