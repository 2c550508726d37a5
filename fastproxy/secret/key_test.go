package secret

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestAKeyFileIsMadeOnceAndKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	first, err := LoadOrCreateKey(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(file)
	if err != nil || *again.b != *first.b {
		t.Errorf("another key the second time, %v", err)
	}
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 || st.Size() != keySize {
		t.Errorf("%v, %v", st, err)
	}
	if list, _ := os.ReadDir(filepath.Dir(file)); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}

func TestProcessesThatStartAtOnceUseOneKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	keys := make([]Key, 16)
	for i := range keys {
		wg.Go(func() {
			k, err := LoadOrCreateKey(file)
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	for _, k := range keys {
		if t.Failed() || *k.b != *keys[0].b {
			t.Fatal("two keys were in use")
		}
	}
}

func TestAKeyFileThatCannotBeTrustedIsRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, make([]byte, size), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return file
	}
	for file, want := range map[string]string{
		write("short", 31, 0o600):                  "found 31 bytes, want 32",
		write("empty", 0, 0o600):                   "found 0 bytes, want 32",
		write("long", 33, 0o600):                   "found 33 bytes, want 32",
		write("group", 32, 0o640):                  "found mode 0640, want 0600",
		write("all", 32, 0o604):                    "found mode 0604, want 0600",
		filepath.Join(dir, "no", "such", "folder"): "create key file",
	} {
		if _, err := LoadOrCreateKey(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(file), err, want)
		}
	}
}

func TestReplicasWithOnePassphraseHaveOneKey(t *testing.T) {
	a, err := KeyFromPassphrase(NewText("correct horse battery staple"))
	if err != nil {
		t.Fatal(err)
	}
	// Pinned: with another value here, everybody would be signed out by an update.
	const want = "769ee0e5f4fde1ca388afe3087db8855afe5c331d158e825606c3259830aab0d"
	if got := hex.EncodeToString(a.bytes()); got != want {
		t.Errorf("got %s", got)
	}
	b, err := KeyFromPassphrase(NewText("correct horse battery stapler"))
	if err != nil || *a.b == *b.b {
		t.Error("two passphrases have one key")
	}
}

func TestKeysOfDifferentPurposesDiffer(t *testing.T) {
	k := keyOf(1)
	a, b := k.Derive("a"), k.Derive("b")
	if *a.b == *b.b || *a.b == *k.b || *a.b != *k.Derive("a").b || *a.b == *keyOf(2).Derive("a").b {
		t.Error("derived keys are not one for each key and purpose")
	}
	if *RandomKey().b == *RandomKey().b {
		t.Error("two random keys are the same")
	}
}

func TestTheZeroKeySealsNothing(t *testing.T) {
	for name, use := range map[string]func(){
		"NewBox": func() { NewBox(Key{}) },
		"Derive": func() { Key{}.Derive("x") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s took the zero key", name)
				}
			}()
			use()
		}()
	}
}

func TestMACIsHMACSHA256(t *testing.T) {
	k := keyFrom([]byte("0123456789abcdef0123456789abcdef"))
	// openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
	const want = "ad9f66eac73c28ddaeccd3b1e5730a77087ba1d8bff5090f551b903030777fb7"
	if got := hex.EncodeToString(k.MAC([]byte("form"))); got != want {
		t.Errorf("got %s", got)
	}
}
