package jepsen

import (
	"os"
	"testing"

	"acquired/jepsen/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
