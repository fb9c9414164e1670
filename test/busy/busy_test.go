package busy

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spin uses a processor.
func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("BUSY_TEST_CHILD") != "" {
		spin(time.Second)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The processor time of a child counts as another's until it has been waited for.
func TestBusy_child(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BUSY_TEST_CHILD=1")
	mark := Now()
	if mark.total == 0 {
		t.Skip("there is no /proc/stat")
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	// It has ended, and is not taken up yet.
	if err := unix.Waitid(unix.P_PID, child.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	before := mark.Others()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	after := mark.Others()
	if after < 0 || before > 1 || after >= before {
		t.Errorf("with the child others had %.3f of the processors, without it %.3f", before, after)
	}
}
