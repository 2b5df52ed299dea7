package universe

import _ "embed"

// StarterYAML is the file of Starter, with the comments that explain it.
//
//go:embed starter.yaml
var StarterYAML []byte

// Starter gives the access tree of a new cluster: everybody may see it, and
// /user/admin, who holds /role/admin, may change it.
func Starter() Universe {
	u, err := Parse(StarterYAML, "starter.yaml")
	if err != nil {
		panic("universe: the starter cannot be read: " + err.Error()) // a test reads it
	}
	return u
}
