package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"acquired/fsm/kv"
)

// benchmarkKey gives keys that have no order, as the ids that clients choose.
func benchmarkKey(n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("row "), n*0x9e3779b97f4a7c15)
}

func benchmarkValue(random *rand.Rand) []byte {
	value := make([]byte, 140)
	for i := range value[:70] {
		value[i] = byte(random.Uint32())
	}
	return value
}

func openBenchmark(b *testing.B) *Pebble {
	b.Helper()
	p, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	return p
}

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 100, 4 * 8190} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := openBenchmark(b)
			random := rand.New(rand.NewPCG(1, 2))
			writes := make([]kv.Write, size)
			for i := range writes {
				writes[i].Value = benchmarkValue(random)
			}
			var n uint64
			for b.Loop() {
				for i := range writes {
					n++
					writes[i].Key = benchmarkKey(n)
				}
				p.Commit(writes)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	const rows = 1_000_000
	p := openBenchmark(b)
	random := rand.New(rand.NewPCG(1, 2))
	writes := make([]kv.Write, 1000)
	for n := uint64(0); n < rows; {
		for i := range writes {
			writes[i] = kv.Write{Key: benchmarkKey(n), Value: benchmarkValue(random)}
			n++
		}
		p.Commit(writes)
	}
	p.Flush()
	s := p.Snapshot()
	defer s.Close()
	for name, first := range map[string]uint64{"hit": 0, "miss": rows} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Get(benchmarkKey(first + random.Uint64N(rows)))
			}
		})
	}
}
