package upstream

import (
	"context"
	"net"
	"testing"
)

func TestWhereABackendIsIsKnownWithoutAskingForNames(t *testing.T) {
	b, _ := start(t)
	at, known := b.Near()
	if !known || at.String() != b.Addr() {
		t.Errorf("near is %v, %v; want %s", at, known, b.Addr())
	}
	b.Gone() // an address stays what it is
	if _, known := b.Near(); !known {
		t.Error("an address was forgotten")
	}
}

func TestANameIsAskedAboutAgainWhenNobodyAnswers(t *testing.T) {
	literal, _ := start(t)
	at, _ := literal.Near()
	_, port, err := net.SplitHostPort(literal.Addr())
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse("http://localhost:" + port)
	if err != nil {
		t.Fatal(err)
	}
	if _, known := b.Near(); known {
		t.Error("a name's address is known before anybody asked")
	}
	c, err := b.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, known := b.Near(); !known || got != at {
		t.Errorf("near is %v, %v; want %v", got, known, at)
	}
	b.Gone()
	if _, known := b.Near(); known {
		t.Error("the address is still believed")
	}
	b.Put(c)
	d, err := b.Get(context.Background()) // dials: the one that waits would tell nothing
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, known := b.Near(); !known || d.Reused() {
		t.Errorf("near is known: %v; reused: %v", known, d.Reused())
	}
	b.closeIdle(c.since.Add(1))
}
