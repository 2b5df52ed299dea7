package server

import "acquired/fsm"

// WhileBehind runs do while the node applies nothing that is committed.
func (n *Node) WhileBehind(do func()) { n.machine.Pause(func(fsm.Position) { do() }) }
