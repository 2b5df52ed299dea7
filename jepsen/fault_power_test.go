package jepsen

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"acquired/jepsen/cluster"
)

// TestPowerLoss cuts the power of all nodes at once while transfers are made:
// what their disks have not been told to keep is gone.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	disks := newDisks(t, "node1", "node2", "node3")
	c, book := start(t, cluster.Options{DataDir: func(node string) string { return filepath.Join(disks[node].path, "data") }})
	for range rounds(2, 30) {
		count, longest := book.During(func() {
			book.WaitFor(50, soon)
			for _, d := range disks {
				d.cut()
			}
			for id, n := range c.Nodes() {
				n.Kill()
				disks[id].restore()
			}
			for _, n := range c.Nodes() {
				n.Start()
			}
			c.LeaderAmong()
		})
		t.Logf("%d transfers, none for %s", count, longest.Round(time.Millisecond))
		book.Audit()
	}
}

// powered is a disk whose power can be cut.
type powered struct {
	t           *testing.T
	image, path string
}

// newDisks makes a disk for each node, in memory so that syncs are fast.
func newDisks(t *testing.T, nodes ...string) map[string]*powered {
	t.Helper()
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("mkfs.ext4, which makes the disks that lose what is not synced, is not installed")
	}
	images := filepath.Join(t.TempDir(), "images")
	mountMemory(t, images, "256m")
	disks := make(map[string]*powered)
	for _, node := range nodes {
		d := &powered{t: t, image: filepath.Join(images, node), path: filepath.Join(t.TempDir(), "disk")}
		if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, 64<<20), os.Mkdir(d.path, 0o700)); err != nil {
			t.Fatal(err)
		}
		d.run("mkfs.ext4", "-q", d.image)
		if output, err := exec.Command("mount", "-o", "loop", d.image, d.path).CombinedOutput(); err != nil {
			t.Skipf("files may not be mounted as disks here: %v: %s", err, output)
		}
		t.Cleanup(func() { d.run("umount", d.path) })
		disks[node] = d
	}
	return disks
}

func (d *powered) run(name string, args ...string) {
	d.t.Helper()
	if output, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %q: %v: %s", name, args, err, output)
	}
}

// What the file system has to be told to end at once, without writing anything
// more: EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH.
const (
	shutdownRequest    = 0x8004587d
	shutdownNoLogFlush = 2
)

// cut ends the disk after it was told to keep one file and not another.
func (d *powered) cut() {
	d.t.Helper()
	for name, sync := range map[string]bool{"synced": true, "unsynced": false} {
		if err := writeCanary(filepath.Join(d.path, name), sync); err != nil {
			d.t.Fatal(err)
		}
	}
	disk, err := os.Open(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer disk.Close()
	if err := unix.IoctlSetPointerInt(int(disk.Fd()), shutdownRequest, shutdownNoLogFlush); err != nil {
		d.t.Fatalf("cut the power of %s: %v", d.path, err)
	}
}

func writeCanary(path string, sync bool) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = file.WriteString("canary")
	if sync {
		err = errors.Join(err, file.Sync())
	}
	return errors.Join(err, file.Close())
}

// restore brings the disk back and makes sure that the power was cut.
func (d *powered) restore() {
	d.t.Helper()
	d.run("umount", d.path)
	d.run("mount", "-o", "loop", d.image, d.path)
	kept, err := os.ReadFile(filepath.Join(d.path, "synced"))
	if err != nil || string(kept) != "canary" {
		d.t.Errorf("the file that was synced is %q, %v, want it kept", kept, err)
	}
	lost, err := os.ReadFile(filepath.Join(d.path, "unsynced"))
	if err == nil && string(lost) == "canary" || err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Errorf("the file that was not synced is %q, %v, want it lost", lost, err)
	}
	for _, name := range []string{"synced", "unsynced"} {
		if err := os.RemoveAll(filepath.Join(d.path, name)); err != nil {
			d.t.Error(err)
		}
	}
}
