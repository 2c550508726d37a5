package passwd

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestEveryMistakeIsNamedWithItsLine(t *testing.T) {
	kim := "kim:" + vectors[0].hash
	content := "# people\n\n" + kim + "\ntom:$2y$10$secret\n" + kim + "\r\nsecret words\n"
	_, err := parse("/etc/p", content, "/etc/g", "a:kim\nb\n")
	want := `passwd: /etc/p:4: found a bcrypt hash, want {scrypt} and a hash, as sspasswd writes it
passwd: /etc/p:5: found user "kim" again, first on line 3; want one line for each user
passwd: /etc/p:6: found no colon, want user:{scrypt} and a hash, as sspasswd writes it
passwd: /etc/g:2: found no colon, want group:user,user`
	if err == nil || err.Error() != want {
		t.Errorf("found\n%v\nwant\n%s", err, want)
	}
}

func TestAThousandMistakesMakeOneShortError(t *testing.T) {
	_, err := parse("p", strings.Repeat("x\n", 1000), "", "")
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 11 || lines[10] != "passwd: and 990 more lines" {
		t.Errorf("found\n%v", err)
	}
}

func TestFilesOfOtherSystemsAreRead(t *testing.T) {
	kim, sam := "kim:"+cheap("a").Encode(), "sam:"+cheap("b").Encode()
	for _, content := range []string{
		kim + "\n" + sam,
		"\ufeff" + kim + "\r\n" + sam + "\r\n",
		"\n  # c\n" + kim + " \t\n\n" + sam + "\n\n",
	} {
		table, err := parse("p", content, "", "")
		if err != nil || len(table.people) != 2 || table.people["kim"] == nil {
			t.Errorf("%.20q: %v", content, err)
		}
	}
}

func TestGroupsKeepTheOrderOfTheirFile(t *testing.T) {
	content := "kim:" + cheap("a").Encode() + "\nsam:" + cheap("b").Encode()
	table, err := parse("p", content, "g", "Z:kim,sam\nA:kim\nZ:kim\nB:kmi,kim\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := table.people["kim"].groups; !reflect.DeepEqual(got, []string{"Z", "A", "B"}) {
		t.Errorf("kim: %q", got)
	}
	if got := table.people["sam"].groups; !reflect.DeepEqual(got, []string{"Z"}) {
		t.Errorf("sam: %q", got)
	}
	if want := []string{`g:4: group "B" names user "kmi", who is not in the password file`}; !reflect.DeepEqual(table.typos, want) {
		t.Errorf("found %q, want %q", table.typos, want)
	}
}

func TestAnUnknownUserCostsWhatOthersCost(t *testing.T) {
	if table, _ := parse("p", "", "", ""); table.decoy("eve").memory() != 32<<20 {
		t.Errorf("an empty file: a guess takes %d bytes", table.decoy("eve").memory())
	}
	one, _ := parse("p", "kim:"+NewHash([]byte("x"), 3).Encode(), "", "")
	if h := one.decoy("eve"); h.cost() != one.people["kim"].hash.cost() {
		t.Error("one line: a guess costs something else")
	}

	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("u%d:%s\n", i, NewHash([]byte("x"), uint8(1+i%2)).Encode()))
	}
	mixed, _ := parse("p", strings.Join(lines, ""), "", "")
	lines[7], lines[8] = lines[8], "" // an edit: another order, one line less
	edited, _ := parse("p", strings.Join(lines, ""), "", "")
	dear, moved := 0, 0
	for i := range 1000 {
		user := fmt.Sprintf("eve%d", i)
		a, b := mixed.decoy(user), edited.decoy(user)
		if a != mixed.decoy(user) {
			t.Fatal("one name, two costs")
		}
		if a.cost() != b.cost() {
			moved++
		}
		if a.raw[7] == 2 {
			dear++
		}
	}
	if dear < 300 || dear > 700 {
		t.Errorf("half of the lines are dear; of 1000 unknown names %d are", dear)
	}
	if moved > 60 { // 1000/40 expected at most
		t.Errorf("an edit of one line changed the cost of %d of 1000 unknown names", moved)
	}
}

func TestFingerprintIsOfUserAndLine(t *testing.T) {
	a, b := cheap("x"), cheap("x")
	prints := map[string]bool{fingerprint("kim", a): true, fingerprint("kim", b): true, fingerprint("sam", a): true}
	if len(prints) != 3 || fingerprint("kim", a) != fingerprint("kim", a) {
		t.Errorf("found %v", prints)
	}
}
