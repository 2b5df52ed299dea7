package main

import "testing"

func TestHashVerify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		nodes []nodeHash
		ok    bool
	}{
		{"same", []nodeHash{{ID: "a", Index: 5, Hash: "x"}, {ID: "b", Index: 5, Hash: "x"}}, true},
		{"different", []nodeHash{{ID: "a", Index: 5, Hash: "x"}, {ID: "b", Index: 5, Hash: "y"}}, false},
		{"other indexes say nothing", []nodeHash{{ID: "a", Index: 5, Hash: "x"}, {ID: "b", Index: 6, Hash: "y"}}, true},
		{"no hash says nothing", []nodeHash{{ID: "a", Index: 5, Hash: "x"}, {ID: "b", Index: 5, Error: "away"}}, true},
		{"third differs", []nodeHash{{ID: "a", Index: 5, Hash: "x"}, {ID: "b", Index: 5, Hash: "x"}, {ID: "c", Index: 5, Hash: "z"}}, false},
	}
	for _, test := range tests {
		if err := (clusterHash{Nodes: test.nodes}).verify(); (err == nil) != test.ok {
			t.Errorf("%s: got %v, want ok %t", test.name, err, test.ok)
		}
	}
}
