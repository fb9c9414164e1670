package line

import (
	"testing"
)

const plain = `{"Name":"web","Status":"start","Time":"2026-01-02T03:04:05Z","Type":"container","Attributes":{"a":"b"}}`

func TestOrigin_readBack(t *testing.T) {
	for _, uid := range []int64{-1, 0, 1000, 4294967294} {
		b := AppendOrigin([]byte(plain), "h7", uid, "faXYZ")
		var f Fields
		if !Scan(b, &f) || !f.Extra {
			t.Fatalf("Scan refuses %s", b)
		}
		if host, got := Origin(b); host != "h7" || got != uid {
			t.Errorf("Origin = %q %d, want h7 %d", host, got, uid)
		}
		event, host, cursor, got, ok := OriginCursor(b)
		if !ok || string(event)+"}" != plain || host != "h7" || cursor != "faXYZ" || got != uid {
			t.Errorf("OriginCursor = %s %q %q %d %v", event, host, cursor, got, ok)
		}
	}
	if host, uid := Origin([]byte(plain)); host != "" || uid != -1 {
		t.Errorf("a line without an origin has %q %d", host, uid)
	}
}

// An event cannot name another origin than its collector: not by a label, and not
// by a member of its own, which stands before the collector's.
func TestOrigin_notForged(t *testing.T) {
	for _, forged := range []string{
		`{"Name":"x\",\"UID\":0,\"Host\":\"evil\",\"Cursor\":\"c","Status":"start","Time":"2026-01-02T03:04:05Z","Type":"container","Attributes":null}`,
		`{"Status":"start","Time":"2026-01-02T03:04:05Z","Type":"container","Attributes":{"x":"y","Host":"evil","Cursor":"c"}}`,
		`{"Status":"start","Time":"2026-01-02T03:04:05Z","Type":"container","Attributes":null,"UID":0,"Host":"evil","Cursor":"c"}`,
	} {
		b := AppendOrigin([]byte(forged), "h7", 1000, "mine")
		_, host, cursor, uid, ok := OriginCursor(b)
		if !ok || host != "h7" || uid != 1000 || cursor != "mine" {
			t.Errorf("%s is from %q %d %q", b, host, uid, cursor)
		}
	}
}
