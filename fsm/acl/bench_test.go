package acl_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// The world of the benchmarks.
const (
	benchPaths      = 1_000_000
	benchRoles      = 2_000
	benchPrincipals = 20_000
	benchDepth      = 12
	// benchCommon roles are held through directories and named by most clauses.
	benchCommon = 16
)

// estate is the world of the benchmarks. It is made once in a process, which
// takes a minute or two and some GiB.
type estate struct {
	rand       *rand.Rand
	machine    *fsm.Machine
	index      uint64
	changes    []*pb.Change
	principals []string
	paths      []string
}

var theEstate = sync.OnceValue(func() *estate {
	engine := kv.NewMemory()
	e := &estate{rand: rand.New(rand.NewPCG(1, 2)), machine: fsm.New(engine)}
	for _, top := range []string{"/role", "/user", "/data"} {
		e.create(top, true)
	}
	for i := range benchRoles {
		e.create(benchRole(i), false)
	}
	e.makePrincipals()
	for _, o := range []string{"View", "Read", "Write"} {
		e.annotate("/", note{tag: "clause", operation: o})
	}
	e.makeData()
	e.apply()
	e.machine = fsm.New(engine) // as after a start, when memory is in order
	runtime.GC()
	return e
})

func benchRole(i int) string { return "/role/role-" + strconv.Itoa(i) }

// makePrincipals gives each principal 12 roles of its own and 12 through two
// directories.
func (e *estate) makePrincipals() {
	common := func(at string, from, count int) {
		for i := range count {
			e.annotate(at, note{tag: "applied-role", role: benchRole((from + i) % benchCommon)})
		}
	}
	for i := range 200 {
		directory := fmt.Sprintf("/user/organisation-%d", i/20)
		if i%20 == 0 {
			e.create(directory, true)
			common(directory, i/20, 6)
		}
		directory += fmt.Sprintf("/department-%d", i)
		e.create(directory, true)
		common(directory, i/20+6+i%5, 6)
		for j := range benchPrincipals / 200 {
			p := fmt.Sprintf("%s/person-%d", directory, j)
			e.create(p, false)
			e.principals = append(e.principals, p)
			first := e.rand.IntN(benchRoles)
			for k := range 12 {
				e.annotate(p, note{tag: "applied-role", role: benchRole(benchCommon + (first+k*131)%(benchRoles-benchCommon))})
			}
		}
	}
}

// makeData makes the paths below /data: one of five is a directory, and one of ten
// of these has clauses.
func (e *estate) makeData() {
	directories := []string{"/data"}
	for i := range benchPaths {
		parent := directories[e.rand.IntN(len(directories))]
		directory := i < 100 || i%5 == 0 && strings.Count(parent, "/") < benchDepth-1
		p := parent + "/file-" + strconv.Itoa(i)
		if directory {
			p = parent + "/set-" + strconv.Itoa(i)
			directories = append(directories, p)
		}
		e.create(p, directory)
		e.paths = append(e.paths, p)
		if directory && e.rand.IntN(10) == 0 {
			e.hangClauses(p)
		}
	}
}

func (e *estate) hangClauses(p string) {
	for _, o := range []string{"View", "Read", "Write"}[:1+e.rand.IntN(3)] {
		var roles []string
		for range 2 {
			roles = append(roles, benchRole(e.rand.IntN(benchCommon)), benchRole(e.rand.IntN(benchRoles)))
		}
		e.annotate(p, note{tag: "clause", operation: o, sets: [][]string{roles}})
	}
}

func (e *estate) create(p string, directory bool) {
	e.add(&pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: p, Directory: directory}}})
}

func (e *estate) annotate(p string, n note) {
	e.add(&pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: p, Annotation: n.annotation()}}})
}

func (e *estate) add(change *pb.Change) {
	const most = 1000 // small entries: with more events than are kept, each event searches the entry
	if e.changes = append(e.changes, change); len(e.changes) == most {
		e.apply()
	}
}

func (e *estate) apply() {
	body, err := proto.Marshal(&pb.ChangeRequest{Changes: e.changes, Force: true})
	if err != nil {
		panic(err)
	}
	caller := operator()
	e.index++
	data, err := fsm.EncodeEntry(&statev1.Entry{UnixNanos: int64(e.index), Commands: []*statev1.Command{
		{Name: acl.Change.Name, Caller: fsm.EncodeCaller(&caller), Body: body},
	}})
	if err != nil {
		panic(err)
	}
	if result := e.machine.Apply(e.index, 1, data)[0]; result.Err != nil {
		panic(result.Err)
	}
	e.changes = e.changes[:0]
}

// draw gives as many random principals and paths. Their bytes are in the order of
// use, like those of requests.
func (e *estate) draw(count int) (principals, paths []path.Path) {
	for range count {
		principals = append(principals, path.Path(strings.Clone(e.principals[e.rand.IntN(len(e.principals))])))
		paths = append(paths, path.Path(strings.Clone(e.paths[e.rand.IntN(len(e.paths))])))
	}
	return principals, paths
}

// benchmarkCheck measures checks of count random pairs, a power of two, over and
// over: both names are looked up each time.
func benchmarkCheck(b *testing.B, count int) {
	e := theEstate()
	v := e.machine.View(command.Caller{})
	defer v.Close()
	principals, paths := e.draw(count)
	allowed := 0
	for i := range count { // what is remembered of nodes is there after the first time
		if ok, _ := acl.May(v, principals[i], command.Read, paths[i]); ok {
			allowed++
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		acl.May(v, principals[i&(count-1)], command.Read, paths[i&(count-1)])
		i++
	}
	b.ReportMetric(100*float64(allowed)/float64(count), "%allowed")
}

// BenchmarkCheckHot asks about a few pairs that everybody asks about.
func BenchmarkCheckHot(b *testing.B) { benchmarkCheck(b, 64) }

// BenchmarkCheckUniform asks about any principal and any path.
func BenchmarkCheckUniform(b *testing.B) { benchmarkCheck(b, 1<<20) }

// BenchmarkCheckMany100 asks what one principal may do on a hundred random paths,
// with all that a query costs behind the wire.
func BenchmarkCheckMany100(b *testing.B) {
	e := theEstate()
	const size, requests = 100, 1 << 12
	principals, paths := e.draw(size * requests)
	made := make([]*pb.CheckManyRequest, requests)
	for i := range made {
		made[i] = &pb.CheckManyRequest{Operations: []string{"Read"}}
		for _, p := range paths[i*size : (i+1)*size] {
			made[i].Paths = append(made[i].Paths, string(p))
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		v := e.machine.View(somebody{path: string(principals[i%requests])}.caller())
		if _, err := fsm.Ask(v, acl.CheckMany, made[i%requests]); err != nil {
			b.Fatal(err)
		}
		v.Close()
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/check")
}

// BenchmarkAllow measures what the machine asks before every command.
func BenchmarkAllow(b *testing.B) {
	e := theEstate()
	v := e.machine.View(command.Caller{})
	defer v.Close()
	const count = 1 << 16
	principals, paths := e.draw(count)
	b.ReportAllocs()
	i, refused := 0, 0
	for b.Loop() {
		caller := command.Caller{Principal: principals[i%count], Method: command.ByCertificate}
		needs := [...]command.Need{{Operation: command.Read, Path: paths[i%count]}}
		if acl.Allow(v, &caller, v.Time, needs[:]) != nil {
			refused++
		}
		i++
	}
	b.ReportMetric(100*float64(refused)/float64(b.N), "%refused")
}
