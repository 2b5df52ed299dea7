package logstore

import (
	"testing"

	"github.com/hashicorp/raft"
)

const benchmarkSize = 4 << 10

func BenchmarkStoreLogs1(b *testing.B)  { benchmarkStoreLogs(b, 1) }
func BenchmarkStoreLogs64(b *testing.B) { benchmarkStoreLogs(b, 64) }

func benchmarkStoreLogs(b *testing.B, count uint64) {
	s := open(b, tempPath(b))
	logs := entries(1, count, 1, benchmarkSize)
	b.SetBytes(int64(count) * benchmarkSize)
	b.ReportAllocs()
	for b.Loop() {
		store(b, s, logs...)
		for _, log := range logs {
			log.Index += count
		}
		// As short as snapshots keep it.
		if first := logs[0].Index; first%4096 == 1 && first > 8192 {
			b.StopTimer()
			if err := s.DeleteRange(1, first-4096); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

func BenchmarkGetLogCached(b *testing.B)   { benchmarkGetLog(b, 0) }
func BenchmarkGetLogFromDisk(b *testing.B) { benchmarkGetLog(b, 1) }

func benchmarkGetLog(b *testing.B, cacheBytes int) {
	s := openConfig(b, Config{Path: tempPath(b), CacheBytes: cacheBytes})
	const count = 1024
	store(b, s, entries(1, count, 1, benchmarkSize)...)
	b.SetBytes(benchmarkSize)
	b.ReportAllocs()
	index := uint64(0)
	for b.Loop() {
		var log raft.Log
		if err := s.GetLog(index%count+1, &log); err != nil {
			b.Fatal(err)
		}
		index++
	}
}
