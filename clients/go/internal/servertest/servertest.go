// Package servertest starts a real Mink for tests: the one of this repository, on an embedded Postgres, at ports that are free.
package servertest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"
)

const patience = 60 * time.Second

// ErrNone is: there is no Mink to start, since the repository's environment was not made (make env).
var ErrNone = errors.New("no .venv/bin/mink: run make env")

// Server is a Mink that runs.
type Server struct {
	// Address is where it listens, host:port.
	Address string

	process *exec.Cmd
	folder  string
}

// Repository is the folder of the repository.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "..")
}

// Start starts a Mink with nothing in its log. Variables are NAME=value, beside those that it needs.
func Start(variables ...string) (*Server, error) {
	program := filepath.Join(Repository(), ".venv", "bin", "mink")
	if _, err := os.Stat(program); err != nil {
		return nil, ErrNone
	}
	folder, err := os.MkdirTemp("", "mink-go-")
	if err != nil {
		return nil, err
	}
	// Postgres does not run as root: if we are, it runs as another user, who must be able to enter.
	if err := os.Chmod(folder, 0o755); err != nil {
		return nil, err
	}
	s := &Server{process: exec.Command(program, "serve"), folder: folder}
	s.process.Env = append(os.Environ(), "MINK_LISTEN=127.0.0.1:0", "MINK_HTTP_LISTEN=127.0.0.1:0", "MINK_METRICS_LISTEN=127.0.0.1:0",
		"MINK_DATA_DIR="+filepath.Join(folder, "data"))
	s.process.Env = append(s.process.Env, variables...)
	said, err := s.process.StderrPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	found, ended := make(chan string, 1), make(chan string, 1)
	go func() {
		lines, last := bufio.NewScanner(said), ""
		for lines.Scan() {
			last = lines.Text()
			if address := regexp.MustCompile(`^  gRPC +(\S+)`).FindStringSubmatch(last); address != nil {
				found <- address[1]
			}
		}
		ended <- last
	}()
	select {
	case s.Address = <-found:
		return s, nil
	case last := <-ended:
		err = fmt.Errorf("mink did not start: %s", last)
	case <-time.After(patience):
		err = fmt.Errorf("mink did not start within %v", patience)
	}
	s.Stop()
	return nil, err
}

// Stop ends it, and removes what it kept.
func (s *Server) Stop() {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	killer := time.AfterFunc(patience, func() { _ = s.process.Process.Kill() })
	defer killer.Stop()
	_ = s.process.Wait()
	_ = os.RemoveAll(s.folder)
}

// Need skips the test if there is no Mink to start; in continuous integration there must be one.
func Need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrNone) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
