package main

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// scope is the names and values of a case, or of one of several lists of its steps that run at the same time.
type scope struct {
	outer  *scope
	number any // what ${i} is; nil: what it is in the scope around

	mu    sync.Mutex
	names object
}

// scopeOfCase knows what the harness has told of the case's server.
func scopeOfCase(told object) *scope {
	s := &scope{names: object{"case": strings.ReplaceAll(uuid.NewString(), "-", "")[:10]}}
	for name, value := range told {
		if tokens, ok := value.(object); ok && name == "tokens" {
			for who, token := range tokens {
				s.names["token:"+who] = token
			}
			continue
		}
		s.names[name] = value
	}
	return s
}

func (s *scope) inner() *scope { return &scope{outer: s, names: object{}} }

func (s *scope) numbered(i int) *scope { return &scope{outer: s, number: int64(i), names: object{}} }

func (s *scope) keep(names object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.names, names)
}

// giveOut gives what was kept here to the scope around.
func (s *scope) giveOut() {
	s.mu.Lock()
	names := maps.Clone(s.names)
	s.mu.Unlock()
	s.outer.keep(names)
}

// keepFile keeps the path of a file that the case has written.
func (s *scope) keepFile(name, path string) {
	for s.outer != nil {
		s = s.outer
	}
	s.keep(object{"file:" + name: path})
}

// get is what a name stands for.
func (s *scope) get(name string) (any, error) {
	if name == "i" && s.number != nil {
		return s.number, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, there := s.names[name]; there {
		return value, nil
	}
	if s.outer != nil {
		return s.outer.get(name)
	}
	if strings.HasPrefix(name, "uuid:") {
		s.names[name] = uuid.NewString()
		return s.names[name], nil
	}
	return nil, fmt.Errorf("nothing is known by the name %q", name)
}
