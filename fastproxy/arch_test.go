package fastproxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// floors are the rooms of the house, from the ground up (doc.go). A room
// imports from lower floors only.
var floors = [][]string{
	{"fastproxy/identity", "fastproxy/secret", "fastproxy/shiny"},
	{"fastproxy/config", "fastproxy/passwd", "fastproxy/loop", "jwks", "cache"},
	{"fastproxy/policy", "fastproxy/session", "fastproxy/oidc", "fastproxy/audit", "fastproxy/upstream", "fastproxy/relay"},
	{"fastproxy/gate", "fastproxy/redisbus", "fastproxy/demo"},
	{"fastproxy", "bench", "bench/peers"},
	{"cmd/fastproxy", "cmd/sspasswd", "cmd/fastbench"},
}

// islands import less of ours than their floor would let them.
var islands = map[string]struct {
	may []string
	why string
}{
	"fastproxy/demo": {nil, "it stands for others' software: what it shared with the proxy it could not contradict"},
	"bench":          {[]string{"fastproxy/loop"}, "it measures any proxy, and ours must not measure itself"},
	"bench/peers":    {[]string{"fastproxy/loop"}, "it measures any proxy, and ours must not measure itself"},
}

// owner says which rooms may import a module, and why no other may.
type owner struct {
	module string
	rooms  []string
	why    string
}

var owners = []owner{
	{"github.com/valyala/fasthttp", []string{"fastproxy"}, "its types are borrowed for one request; elsewhere they would outlive it"},
	{"github.com/prometheus/client_golang", []string{"fastproxy"}, "what is counted is the front end's business; rooms return figures"},
	{"github.com/dgraph-io/ristretto/v2", []string{"cache"}, "it may lose, delay and confuse entries; only cache knows how to live with that"},
	{"github.com/MicahParks/keyfunc/v3", []string{"jwks"}, "one place judges signatures"},
	{"github.com/MicahParks/jwkset", []string{"jwks"}, "one place judges keys"},
	{"github.com/golang-jwt/jwt/v5", []string{"jwks", "fastproxy/demo"}, "one place judges tokens; the pocket Auth0 makes them"},
	{"github.com/coreos/go-oidc/v3", []string{"fastproxy/oidc"}, "tokens never come out of there"},
	{"golang.org/x/oauth2", []string{"fastproxy/oidc"}, "tokens never come out of there"},
	{"github.com/goccy/go-yaml", []string{"fastproxy/config", "bench"}, "settings are read in one place; bench is an island and reads its own plans"},
	{"github.com/fsnotify/fsnotify", []string{"fastproxy/passwd"}, "the flat file is all that is watched"},
	{"go.uber.org/zap", []string{"fastproxy/audit", "fastproxy", "cmd/fastproxy"}, "rooms return errors; the front end logs them"},
	{"github.com/fasthttp/websocket", []string{"fastproxy/demo", "bench"}, "the tunnel moves bytes and knows no messages"},
	{"github.com/alecthomas/kong", []string{"cmd/fastproxy", "cmd/sspasswd", "cmd/fastbench"}, "a command line is a command's"},
	{"github.com/HdrHistogram/hdrhistogram-go", []string{"bench"}, "a load test's figures"},
	{"golang.org/x/net/html", []string{"bench"}, "a load test reads pages; the proxy passes them on"},
	{"golang.org/x/crypto/scrypt", []string{"fastproxy/secret", "fastproxy/passwd"}, "it costs memory and time, which these two bound"},
	{"golang.org/x/term", []string{"cmd/fastproxy", "cmd/sspasswd", "cmd/fastbench"}, "only a command has a terminal"},
	{"golang.org/x/sys/unix", []string{"fastproxy/loop", "fastproxy/relay", "fastproxy/passwd", "bench"}, "the rest of the house runs on any system"},
}

// testsOnly are for tests, wherever they are.
var testsOnly = []string{"go.uber.org/goleak", "golang.org/x/tools/txtar", "golang.org/x/net/html", "github.com/fasthttp/websocket", "github.com/prometheus/common", "golang.org/x/sys/unix"}

// source is one Go file, as far as it matters here.
type source struct {
	room, file string
	test       bool
	imports    []string
	syntax     *ast.File
}

// sources returns every Go file of the project, for whatever system it is.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil || len(all) < 100 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

var parsed = sync.OnceValues(func() (all []source, err error) {
	err = filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch base := filepath.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && name != ".." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || base == "bin" || base == "dist"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel("..", name)
		s := source{room: path.Dir(filepath.ToSlash(rel)), file: rel, test: strings.HasSuffix(name, "_test.go"), syntax: f}
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			s.imports = append(s.imports, p)
		}
		all = append(all, s)
		return nil
	})
	return all, err
})

func floorOf(room string) int {
	return slices.IndexFunc(floors, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

func TestEveryRoomIsOnTheFloorPlan(t *testing.T) {
	strange := make(map[string]bool)
	for _, s := range sources(t) {
		if floorOf(s.room) < 0 {
			strange[s.room] = true
		}
	}
	for room := range strange {
		t.Errorf("%s is on no floor: nothing in arch_test.go and doc.go says what it may import", room)
	}
	top, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	agreed := []string{"cmd", "fastproxy", "jwks", "cache", "bench", "deploy", "bin", "dist"}
	for _, d := range top {
		if d.IsDir() && !strings.HasPrefix(d.Name(), ".") && !slices.Contains(agreed, d.Name()) {
			t.Errorf("folder %s at the top: want one of %v", d.Name(), agreed)
		}
	}
}

func TestImportsGoOnlyDownwards(t *testing.T) {
	for _, s := range sources(t) {
		for _, p := range s.imports {
			to, ours := strings.CutPrefix(p, "fastproxy/")
			if !ours || to == s.room { // an external test of itself
				continue
			}
			if island, is := islands[s.room]; is && !s.test && !slices.Contains(island.may, to) {
				t.Errorf("%s imports %s: %s", s.file, p, island.why)
			}
			if floorOf(to) >= floorOf(s.room) {
				t.Errorf("%s (floor %d) imports %s (floor %d): declare an interface here and be handed it", s.file, floorOf(s.room), p, floorOf(to))
			}
		}
	}
}

func TestEveryDependencyHasItsOwner(t *testing.T) {
	used := make(map[string]bool)
	for _, s := range sources(t) {
		for _, p := range s.imports {
			first, _, _ := strings.Cut(p, "/")
			if !strings.Contains(first, ".") {
				continue // ours, or the standard library's
			}
			if s.test && slices.ContainsFunc(testsOnly, func(m string) bool { return under(p, m) }) {
				continue
			}
			i := slices.IndexFunc(owners, func(o owner) bool { return under(p, o.module) })
			switch {
			case i < 0:
				t.Errorf("%s imports %s, which has no owner in arch_test.go", s.file, p)
			case !slices.Contains(owners[i].rooms, s.room):
				t.Errorf("%s imports %s, which is %v's: %s", s.file, p, owners[i].rooms, owners[i].why)
			default:
				used[owners[i].module] = true
			}
		}
	}
	for _, o := range owners {
		if !used[o.module] {
			t.Errorf("nobody imports %s: take it out of arch_test.go", o.module)
		}
	}
}

// under reports whether a package is a module's, or the module's root package.
func under(pkg, module string) bool { return pkg == module || strings.HasPrefix(pkg, module+"/") }

// TestTheEventLoopLivesInOneRoom: who waits for descriptors otherwise would
// fight it for them.
func TestTheEventLoopLivesInOneRoom(t *testing.T) {
	for _, s := range sources(t) {
		if s.room == "fastproxy/loop" {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && (pkg.Name == "unix" || pkg.Name == "syscall") &&
					(strings.HasPrefix(sel.Sel.Name, "Epoll") || strings.HasPrefix(sel.Sel.Name, "EPOLL") || strings.Contains(strings.ToUpper(sel.Sel.Name), "IO_URING")) {
					t.Errorf("%s uses %s.%s: epoll and io_uring are loop's", s.file, pkg.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestDocNamesEveryRoom: the table in doc.go is the one that is tested.
func TestDocNamesEveryRoom(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	rooms := make(map[string]bool)
	for _, s := range sources(t) {
		rooms[s.room] = true
	}
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		name := strings.TrimSuffix(strings.TrimPrefix(room, "fastproxy/"), "/peers")
		if !strings.Contains(string(doc), name) {
			t.Errorf("doc.go does not say where %s stands", room)
		}
	}
}
