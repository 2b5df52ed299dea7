package server

import (
	"context"
	"time"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/server/engine"
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

// ReadForLong runs do as something that reads the state for long, with a context
// that ends when it is to end.
func (n *Node) ReadForLong(do func(context.Context)) {
	n.held.useForLong(n.life, func(ctx context.Context, _ *engine.Pebble) { do(ctx) })
}

// HoldVerification takes the place of a verification, until it is released.
func (n *Node) HoldVerification() (release func()) {
	n.verifying.Lock()
	return n.verifying.Unlock
}
