package jepsen

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"acquired/jepsen/cluster"
)

// TestDiskFull fills the disk of the leader, and then of a follower.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disks := t.TempDir()
	disk := func(node string) string { return filepath.Join(disks, node) }
	for _, node := range []string{"node1", "node2", "node3"} {
		mountMemory(t, disk(node), "32m")
	}
	c, book := start(t, cluster.Options{DataDir: func(node string) string { return filepath.Join(disk(node), "data") }})
	for round := range rounds(2, 10) {
		id := victim(c, round)
		ballast := filepath.Join(disk(id), "ballast")
		failStorage(t, c, book, id, "no space left on device", func(*cluster.Node) { fillDisk(t, ballast) }, func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// mountMemory makes a disk in memory.
func mountMemory(t *testing.T, path, size string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	err := unix.Mount("tmpfs", path, "tmpfs", 0, "mode=0700,size="+size)
	if errors.Is(err, unix.EPERM) {
		t.Skip("only root may mount the disks that this needs")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, 0); err != nil {
			t.Errorf("unmount %s: %v", path, err)
		}
	})
}

// fillDisk writes a file until there is no room.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = file.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: %v, want that it is full", err)
	}
}
