package engine
import ("testing";"math/rand/v2";"acquired/fsm/kv";"fmt";"github.com/cockroachdb/pebble/v2/vfs";"github.com/cockroachdb/pebble/v2/sstable")
func TestAdhocVerify(t *testing.T) {
	p, err := Open(Config{Dir: t.TempDir()})
	if err != nil { t.Fatal(err) }
	random := rand.New(rand.NewPCG(1, 2))
	writes := make([]kv.Write, 1000)
	for n := uint64(0); n < 1_000_000; {
		for i := range writes {
			writes[i] = kv.Write{Key: benchmarkKey(n), Value: benchmarkValue(random)}
			n++
		}
		p.Commit(writes)
	}
	p.Flush()
	if err := p.Verify(t.Context(), 0); err != nil { t.Fatal(err) }
	ls, _ := p.db.SSTables()
	for _, l := range ls { for _, x := range l {
		f, _ := p.disk.Open(p.dir+"/"+x.BackingSSTNum.String()+".sst")
		s, _ := sstable.NewSimpleReadable(f)
		r, _ := sstable.NewReader(t.Context(), s, p.options.MakeReaderOptions())
		la, _ := r.Layout()
		fmt.Println(x.Size, la.Format, len(la.Data), len(la.Index), la.TopIndex.Length, len(la.ValueBlock))
	    break
	} }
	p.Close()
}
func TestAdhocValueBlock(t *testing.T) {
	disk := vfs.NewMem()
	name := table(t, disk)
	f, _ := disk.Open(name)
	s, _ := sstable.NewSimpleReadable(f)
	p := openOn(t, disk, Config{Dir: "state"})
	r, _ := sstable.NewReader(t.Context(), s, p.options.MakeReaderOptions())
	la, _ := r.Layout()
	fmt.Printf("%+v\n", la)
}
