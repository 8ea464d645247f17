// Package readme does what the README says: gets the module, builds its first example as it is printed, and runs it.
package readme

import (
	"archive/zip"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mink-es/mink/clients/go/internal/servertest"
)

const (
	module  = "github.com/mink-es/mink/clients/go"
	version = "v0.1.0"
)

func TestTheFirstExampleRunsAsPrintedInAModuleThatGotTheClient(t *testing.T) {
	runFirstExample(t, func(string) []string { return []string{"go get " + module + "@" + version} })
}

func TestTheFirstExampleRunsAsPrintedBesideAClone(t *testing.T) {
	runFirstExample(t, func(root string) []string {
		commands := regexp.MustCompile(`(?m)^go mod .*$`).FindAllString(text(t, root), -1)
		if len(commands) != 2 || !strings.Contains(commands[0], "../mink/clients/go") {
			t.Fatalf("the README says %q", commands)
		}
		commands[0] = strings.Replace(commands[0], "../mink/clients/go", root, 1)
		return commands
	})
}

// runFirstExample runs the README's first example in a module that got the client by commands, which are made for the client's folder.
func runFirstExample(t *testing.T, commands func(root string) []string) {
	t.Helper()
	root := filepath.Join(servertest.Repository(), "clients", "go")
	example, prints := firstExample(t, text(t, root))

	shop := t.TempDir()
	env := environment(t, root, publish(t, root))
	do := func(name string, arguments ...string) string {
		t.Helper()
		command := exec.Command(name, arguments...)
		command.Dir, command.Env = shop, env
		var said strings.Builder
		command.Stderr = &said
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, said.String())
		}
		return string(out)
	}
	do("go", "mod", "init", "example.test/shop")
	if err := os.WriteFile(filepath.Join(shop, "main.go"), []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range commands(root) {
		words := strings.Fields(command)
		do(words[0], words[1:]...)
	}
	do("go", "build", "-o", "shop", ".")
	requirements, err := os.ReadFile(filepath.Join(shop, "go.mod"))
	if err != nil || strings.Contains(string(requirements), "yaml") || strings.Contains(string(requirements), "staticcheck") {
		t.Errorf("who uses the client gets what only its tests need: %s %v", requirements, err)
	}

	server, err := servertest.Start()
	servertest.Need(t, err)
	defer server.Stop()
	env = append(env, "MINK_SERVER="+server.Address)
	if out := do("./shop"); out != prints {
		t.Errorf("it printed\n%s\nand not, as the README says,\n%s", out, prints)
	}
}

// text is that of the README in a folder.
func text(t *testing.T, root string) string {
	t.Helper()
	found, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(found)
}

// firstExample is the first program of a README, and the next block, which says what it prints.
func firstExample(t *testing.T, text string) (program, prints string) {
	t.Helper()
	found := regexp.MustCompile("(?s)```go\n(.*?)```.*?```\n(.*?)```").FindStringSubmatch(text)
	if found == nil {
		t.Fatal("there is no example")
	}
	return found[1], found[2]
}

// publish makes a module proxy out of a folder, which has the client as a release of it would.
func publish(t *testing.T, root string) string {
	t.Helper()
	proxy := t.TempDir()
	folder := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	described, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"list":            version + "\n",
		version + ".info": `{"Version":"` + version + `","Time":"2026-01-01T00:00:00Z"}`,
		version + ".mod":  string(described),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := os.Create(filepath.Join(folder, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	writer := zip.NewWriter(packed)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			// Modules of their own are not part of this one.
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			if path != root && (nested == nil || strings.HasPrefix(entry.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		into, err := writer.Create(module + "@" + version + "/" + filepath.ToSlash(name))
		if err != nil {
			return err
		}
		from, err := os.Open(path)
		if err != nil {
			return err
		}
		defer from.Close()
		_, err = io.Copy(into, from)
		return err
	})
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return proxy
}

// environment is one in which Go knows the release. Modules go into a folder of the client's own: nobody else's cache is to hold it.
func environment(t *testing.T, root, proxy string) []string {
	t.Helper()
	known, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache, proxies, _ := strings.Cut(strings.TrimSpace(string(known)), "\n")
	own := filepath.Join(root, ".build", "modules")
	for _, old := range []string{"github.com/mink-es", "cache/download/github.com/mink-es"} {
		if err := os.RemoveAll(filepath.Join(own, filepath.FromSlash(old))); err != nil {
			t.Fatal(err)
		}
	}
	// Go keeps what files a release has, which never changes elsewhere: goindex=0 has it look.
	return append(os.Environ(), "GODEBUG=goindex=0", "GOFLAGS=-modcacherw", "GOMODCACHE="+own, "GOSUMDB=off", "GOWORK=off",
		"GOPROXY=file://"+proxy+",file://"+filepath.ToSlash(cache)+"/cache/download,"+proxies)
}
