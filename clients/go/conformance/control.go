package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// control is the harness, and where it serves.
type control struct {
	url  string
	http http.Client
}

func newControl(url string) *control {
	return &control{url: url, http: http.Client{Transport: &http.Transport{Proxy: nil}}}
}

// ask asks for something, and waits until it is done.
func (c *control) ask(ctx context.Context, path string, body object) (object, error) {
	written, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/"+path, bytes.NewReader(written))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, badCase(fmt.Sprintf("/%s: the harness does not answer: %v", path, err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(answer.Body)
		return nil, badCase(fmt.Sprintf("/%s: %s", path, said))
	}
	found, err := fromJSON(answer.Body)
	if err != nil {
		return nil, badCase(fmt.Sprintf("/%s: %v", path, err))
	}
	told, _ := found.(object)
	return told, nil
}
