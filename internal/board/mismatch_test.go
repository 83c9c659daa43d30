package board

import (
	"errors"
	"testing"
)

// Two members that each write where the others do find out before either has arrived:
// who is second names the first, not itself.
func TestAgreeNamesTheOther(t *testing.T) {
	b := Make(Shape{Members: 6, Stage: 64, Pipe: 64})
	var parties []*Party
	for m := range 6 {
		parties = append(parties, b.Join(m, nil))
	}
	heads := []Head{NewHead(7, 1, 5), NewHead(7, 3, 5)}
	for i, m := range []int{4, 2} {
		p := parties[m]
		p.Begin(heads[i])
		if err := p.EnterStage(); err != nil {
			t.Fatal(err)
		}
		err := p.Agree()
		if i == 0 {
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		var mismatch *Mismatch
		if !errors.As(err, &mismatch) || mismatch.Member != 4 || mismatch.Head != heads[0] {
			t.Fatalf("%v, %+v", err, mismatch)
		}
	}
}
