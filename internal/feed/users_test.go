package feed

import (
	"math/rand/v2"
	"testing"

	"github.com/eventsvc/eventsvc/internal/store"
)

// TestUsersOfChunks_decideAsRecordsDo compares the decision by the users of a chunk
// with that by each record.
func TestUsersOfChunks_decideAsRecordsDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	queries := []store.Query{store.Everything(), store.Everything(), store.Everything(), store.Everything()}
	queries[1].UID = 0
	queries[2].UID, queries[2].UnknownUser = 0, true
	queries[3].UID = 7
	for range 500 {
		records := make([]store.Record, random.IntN(6))
		kinds := 1 + random.IntN(3)
		for i := range records {
			records[i].UID = []int64{0, -1, 7}[random.IntN(kinds)]
		}
		c := &chunk{records: records, users: usersOf(records)}
		for _, q := range queries {
			s := &Subscription{chunk: c, request: Request{Query: q}, all: q.ChoosesUsersOnly()}
			var got, want []int
			for s.index < len(records) {
				from, to := s.match(c)
				for i := from; i < to; i++ {
					got = append(got, i)
				}
				s.index = to
			}
			for i := range records {
				if q.Match(&records[i]) {
					want = append(want, i)
				}
			}
			if len(got) != len(want) {
				t.Fatalf("of %+v the query %+v gives %v, want %v", records, q, got, want)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("of %+v the query %+v gives %v, want %v", records, q, got, want)
				}
			}
		}
	}
}
