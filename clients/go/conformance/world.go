package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/mink-es/mink/clients/go"
)

// world is everything of one case; at its end all of it is closed.
type world struct {
	control *control
	scope   *scope
	options object // of the client `main`, as the case says them

	mu            sync.Mutex
	clients       map[string]*mink.Client
	subscriptions map[string]*followed
	open          []*mink.Client
	folder        string
}

func newWorld(control *control, scope *scope, options object) *world {
	return &world{
		control: control, scope: scope, options: options,
		clients: map[string]*mink.Client{}, subscriptions: map[string]*followed{},
	}
}

func (w *world) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, subscription := range w.subscriptions {
		subscription.close()
	}
	for _, client := range w.open {
		_ = client.Close()
	}
	if w.folder != "" {
		_ = os.RemoveAll(w.folder)
	}
}

// newClient makes a client. One that has the name already stays open until the case's end.
func (w *world) newClient(name string, options object) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.makeClient(name, options)
}

func (w *world) makeClient(name string, options object) error {
	made, err := client(options, must(w.scope.get("address")))
	if err != nil {
		return err
	}
	w.clients[name] = made
	w.open = append(w.open, made)
	return nil
}

// client gives a client; `main` is made when it is used first.
func (w *world) client(name string) (*mink.Client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clients[name] == nil && name == "main" {
		options := object{}
		if w.options != nil {
			options = must(replaced(w.options, w.scope.get)).(object)
		}
		if err := w.makeClient(name, options); err != nil {
			return nil, err
		}
	}
	found := w.clients[name]
	if found == nil {
		return nil, badCase(fmt.Sprintf("the case has made no client %q", name))
	}
	return found, nil
}

// subscribe opens a subscription.
func (w *world) subscribe(ctx context.Context, name string, client *mink.Client, options []mink.SubscribeOption) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before := w.subscriptions[name]; before != nil {
		before.close()
	}
	w.subscriptions[name] = follow(client.SubscribeAll(ctx, options...))
}

func (w *world) subscription(name string) (*followed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if found := w.subscriptions[name]; found != nil {
		return found, nil
	}
	return nil, badCase(fmt.Sprintf("the case has made no subscription %q", name))
}

// writeFile writes a file, whose path is then ${file:name}.
func (w *world) writeFile(name, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.folder == "" {
		var err error
		if w.folder, err = os.MkdirTemp("", "mink-case-"); err != nil {
			return badCase(err.Error())
		}
	}
	path := filepath.Join(w.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return badCase(err.Error())
	}
	w.scope.keepFile(name, path)
	return nil
}
