// Command conformance runs the cases of clients/conformance with the Go client, for the harness that starts it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	language = "go"
	version  = "0.1.0"
	limit    = 60 * time.Second
)

// result is what came of a case.
type result struct {
	File    string  `json:"file"`
	Name    string  `json:"name"`
	Passed  bool    `json:"passed"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
	Skipped string  `json:"skipped,omitempty"`
}

func main() {
	results, err := runCases(newControl(os.Getenv("MINK_CONFORMANCE_CONTROL")),
		os.Getenv("MINK_CONFORMANCE_CASES"), os.Getenv("MINK_CONFORMANCE_ONLY"))
	if err == nil {
		var report []byte
		report, err = json.Marshal(object{"client": language, "version": version, "results": results})
		if err == nil {
			err = os.WriteFile(os.Getenv("MINK_CONFORMANCE_RESULTS"), report, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	if slices.ContainsFunc(results, func(r result) bool { return !r.Passed }) {
		os.Exit(1)
	}
}

func runCases(control *control, folder, only string) ([]result, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	results := []result{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		read, err := fromYAML(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		file := strings.TrimSuffix(filepath.Base(path), ".yaml")
		for _, entry := range read.(object)["cases"].([]any) {
			one := entry.(object)
			if strings.Contains(fmt.Sprintf("%s: %s", file, one["name"]), only) {
				results = append(results, report(control, file, one))
			}
		}
	}
	return results, nil
}

func report(control *control, file string, one object) result {
	found := result{File: file, Name: one["name"].(string), Passed: true}
	if unless, ok := one["unless"].(object); ok {
		if why, there := unless[language]; there {
			found.Skipped = text(why)
			return found
		}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- runCase(ctx, control, file, one) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it took more than %v", limit)
	}
	found.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	if err != nil {
		found.Passed, found.Error = false, err.Error()
		fmt.Fprintf(os.Stderr, "%s: %s: %v\n", file, found.Name, err)
	}
	return found
}

func runCase(ctx context.Context, control *control, file string, one object) (err error) {
	defer func() {
		if wrong := recover(); wrong != nil {
			err = fmt.Errorf("%v", wrong)
		}
	}()
	server := one["server"]
	if server == nil {
		server = "plain"
	}
	told, err := control.ask(ctx, "case", object{"file": file, "name": one["name"], "server": server})
	if err != nil {
		return err
	}
	names := scopeOfCase(told)
	options, _ := one["client"].(object)
	w := newWorld(control, names, options)
	defer w.close()
	return runAll(ctx, one["steps"].([]any), w, names, "")
}
