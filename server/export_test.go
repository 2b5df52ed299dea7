package server

import (
	"time"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/server/token"
)

// WhileBehind runs do while the node applies nothing that is committed.
func (n *Node) WhileBehind(do func()) { n.machine.Pause(func(fsm.Position) { do() }) }

// SigningKey gives the key that signs credentials now.
func (n *Node) SigningKey() (token.SigningKey, error) {
	v := n.machine.View(command.Caller{})
	defer v.Close()
	key, _, err := n.keyring.signer(v, time.Now())
	return key, err
}
