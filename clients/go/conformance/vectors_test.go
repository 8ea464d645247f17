package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// vectors are the entries of a file that the runners of all languages read.
func vectors(t *testing.T, name string) []any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "conformance", name))
	if err != nil {
		t.Fatal(err)
	}
	read, err := fromYAML(text)
	if err != nil {
		t.Fatal(err)
	}
	found := read.([]any)
	if len(found) == 0 {
		t.Fatal("no vectors")
	}
	return found
}

func TestMatchingIsWhatTheVectorsSay(t *testing.T) {
	for _, entry := range vectors(t, "matching.yaml") {
		one := entry.(object)
		says, came := one["says"], get(one, "came")
		names := scopeOfCase(object{})
		kept := saved(says, came)
		names.keep(kept)
		wanted, err := replaced(says, names.get)
		if err == nil {
			err = match(wanted, came, "")
		}
		matches := one["matches"].(bool)
		if _, is := err.(mismatch); err != nil && !is && matches {
			t.Errorf("%s: %v", shown(one), err)
		} else if (err == nil) != matches {
			t.Errorf("%s: %v", shown(one), err)
		}
		if says, there := one["saves"]; there && matches && !reflect.DeepEqual(object(kept), says) {
			t.Errorf("%s: kept %s", shown(one), shown(kept))
		}
	}
}

func TestWordsInBracesBecomeWhatTheVectorsSay(t *testing.T) {
	for _, entry := range vectors(t, "braces.yaml") {
		one := entry.(object)
		with := one["with"].(object)
		became, err := replaced(one["value"], func(name string) (any, error) {
			if value, there := with[name]; there {
				return value, nil
			}
			return nil, fmt.Errorf("nothing is known by the name %q", name)
		})
		if wrong, _ := one["wrong"].(bool); wrong != (err != nil) || !wrong && !reflect.DeepEqual(became, one["becomes"]) {
			t.Errorf("%s: became %s, %v", shown(one), shown(became), err)
		}
	}
}
