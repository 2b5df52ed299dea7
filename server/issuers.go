package server

import (
	"sync"

	"acquired/fsm/identity"
	"acquired/server/token"
)

// parsedIssuers keeps the keys of outside issuers as they are used. There are no
// more than the state has issuers.
type parsedIssuers struct {
	mu     sync.Mutex
	byName map[string]parsedIssuer
}

type parsedIssuer struct {
	index uint64
	keys  token.Keys
}

// get gives the keys of the issuer, if they were parsed since it was changed.
func (p *parsedIssuers) get(issuer identity.Issuer) (token.Keys, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.byName[issuer.Name]
	return found.keys, ok && found.index == issuer.Index
}

func (p *parsedIssuers) put(issuer identity.Issuer, keys token.Keys) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byName == nil || len(p.byName) >= identity.MaxIssuers {
		p.byName = make(map[string]parsedIssuer)
	}
	p.byName[issuer.Name] = parsedIssuer{issuer.Index, keys}
}
