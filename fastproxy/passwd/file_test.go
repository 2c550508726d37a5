package passwd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes or replaces the content of a file in place.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, people, groups string) *File {
	t.Helper()
	dir := t.TempDir()
	p, g := filepath.Join(dir, "passwd"), filepath.Join(dir, "groups")
	write(t, p, people)
	write(t, g, groups)
	f, err := Open(p, g)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCheckSaysWhoItIs(t *testing.T) {
	var people string
	vectors := vectors[1:3]
	for _, v := range vectors {
		people += v.user + ":" + v.hash + "\n"
	}
	f := open(t, people, "Admin:tina\nDL:tina,admin\n")
	for _, v := range vectors {
		a, err := f.Check(t.Context(), v.user, []byte(v.password))
		if err != nil {
			t.Fatalf("%s: %v", v.user, err)
		}
		print, known := f.Fingerprint(v.user)
		want := Account{User: v.user, Groups: f.Groups(v.user), Fingerprint: print}
		if !known || !reflect.DeepEqual(a, want) {
			t.Errorf("found %+v, want %+v", a, want)
		}
	}
	if got := f.Groups("tina"); !reflect.DeepEqual(got, []string{"Admin", "DL"}) {
		t.Errorf("tina's groups: %q", got)
	}
	if f.Users() != len(vectors) || len(f.Warnings()) != 0 {
		t.Errorf("%d users, warnings %q", f.Users(), f.Warnings())
	}
}

func TestCheckDoesNotTellWhatIsWrong(t *testing.T) {
	long := strings.Repeat("x", passwordMax+1)
	f := open(t, "kim:"+cheap("secret").Encode()+"\nsam:"+cheap("").Encode()+"\ntom:"+cheap(long).Encode()+"\njim:"+cheap(long[1:]).Encode(), "")
	for _, c := range []struct{ user, password string }{
		{"kim", "Secret"}, {"eve", "secret"}, {"", "secret"}, {"KIM", "secret"},
		{"kim", ""}, {"sam", ""}, {"tom", long}, {"eve\x00\n", "x"},
	} {
		a, err := f.Check(t.Context(), c.user, []byte(c.password))
		if err != ErrWrong || !reflect.DeepEqual(a, Account{}) {
			t.Errorf("%q: found %+v, %v", c.user, a, err)
		}
	}
	if _, err := f.Check(t.Context(), "jim", []byte(long[1:])); err != nil {
		t.Errorf("a password of 1 KiB: %v", err)
	}
}

// A decoy is somebody's hash: guessing that one's password under another name
// must not get in.
func TestARightPasswordUnderAnUnknownNameIsWrong(t *testing.T) {
	f := open(t, "kim:"+cheap("secret").Encode(), "")
	if _, err := f.Check(t.Context(), "nobody", []byte("secret")); err != ErrWrong {
		t.Errorf("found %v", err)
	}
}

func TestCheckPassesOnBusyAndContext(t *testing.T) {
	f := open(t, "kim:"+cheap("secret").Encode(), "")
	f.turnstile = newTurnstile(0, 1<<20, 1, 0)
	if _, err := f.CheckFrom(t.Context(), "192.0.2.1:80", "kim", []byte("secret")); err != ErrBusy {
		t.Errorf("found %v, want ErrBusy", err)
	}
	f.turnstile = newTurnstile(0, 1<<20, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Check(ctx, "kim", []byte("secret")); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
}

func TestFingerprintFollowsTheLine(t *testing.T) {
	kim, sam := "kim:"+cheap("a").Encode()+"\n", "sam:"+cheap("b").Encode()+"\n"
	f := open(t, kim+sam, "")
	kim1, _ := f.Fingerprint("kim")
	sam1, _ := f.Fingerprint("sam")

	write(t, f.path, "# moved\n"+strings.TrimSpace(sam)+"\r\nkim:"+cheap("a").Encode()+"\n")
	if changed, err := f.Reload(); !changed || err != nil {
		t.Fatal(changed, err)
	}
	kim2, _ := f.Fingerprint("kim")
	sam2, _ := f.Fingerprint("sam")
	if kim1 == kim2 {
		t.Error("kim's line changed, the fingerprint did not")
	}
	if sam1 != sam2 {
		t.Error("sam's line only moved, the fingerprint changed")
	}
	if changed, err := f.Reload(); changed || err != nil {
		t.Errorf("nothing happened: found %v, %v", changed, err)
	}

	write(t, f.path, sam)
	if _, err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if print, known := f.Fingerprint("kim"); known || print != "" || f.Groups("kim") != nil {
		t.Error("kim is gone from the file and still known")
	}
}

func TestABrokenFileChangesNothing(t *testing.T) {
	f := open(t, "kim:"+cheap("a").Encode(), "A:kim")
	before := f.current.Load()
	write(t, f.path, "kim:broken")
	if _, err := f.Reload(); err == nil || !strings.Contains(err.Error(), f.path+":1: ") {
		t.Errorf("found %v", err)
	}
	os.Remove(f.path)
	if _, err := f.Reload(); err == nil || !strings.Contains(err.Error(), "read "+f.path+": no such file") {
		t.Errorf("found %v", err)
	}
	if f.current.Load() != before {
		t.Error("something changed")
	}
}

func TestWarningsNameWhatOthersMayDo(t *testing.T) {
	f := open(t, "kim:"+cheap("a").Encode(), "A:kim")
	for mode, want := range map[os.FileMode]int{0o640: 0, 0o400: 0, 0o644: 1, 0o660: 1, 0o602: 1, 0o666: 2} {
		os.Chmod(f.path, mode)
		if _, err := f.Reload(); err != nil {
			t.Fatal(err)
		}
		if got := f.Warnings(); len(got) != want || want > 0 && !strings.HasPrefix(got[0], fmt.Sprintf("%s: mode %#o lets ", f.path, mode)) {
			t.Errorf("mode %#o: found %q", mode, got)
		}
	}
	os.Chmod(f.path, 0o600)
	os.Chmod(f.groupsPath, 0o664)
	f.Reload()
	if got := f.Warnings(); len(got) != 1 || !strings.HasPrefix(got[0], f.groupsPath) {
		t.Errorf("found %q", got)
	}
}

func TestFingerprintAllocatesNothing(t *testing.T) {
	f := open(t, "kim:"+cheap("a").Encode(), "A:kim")
	if n := testing.AllocsPerRun(100, func() { f.Fingerprint("kim"); f.Groups("kim") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
