package main

import (
	"strings"
	"testing"
)

// steps runs steps that need no server.
func steps(t *testing.T, text string) error {
	t.Helper()
	read, err := fromYAML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	names := scopeOfCase(object{"address": "127.0.0.1:1"})
	w := newWorld(newControl("http://127.0.0.1:1"), names, object{"timeout": 0.2})
	defer w.close()
	return runAll(t.Context(), read.([]any), w, names, "")
}

func TestAStepThatDoesNotGoAsItSaysFailsWithItsNumber(t *testing.T) {
	for text, wanted := range map[string]string{
		`[{get_stream: {stream: S}, fails: {type: Unavailable}}]`:                                              "",
		`[{get_stream: {stream: S}}]`:                                                                          "step 1 (get_stream): expected that it succeeds",
		`[{pause: {seconds: 0}}, {pause: {seconds: 0}, fails: {}}]`:                                            "step 2 (pause): expected that it fails",
		`[{get_stream: {stream: S}, fails: {type: StreamNotFound}}]`:                                           "step 1 (get_stream): type: expected",
		`[{repeat: {times: 3, at_once: 2, steps: [{together: [[{get_stream: {stream: S}}]]}]}}]`:               "1.1.1 (get_stream): expected that it succeeds",
		`[{no_such_thing: {}}]`:                                                                                "there is no operation",
		`[{get_stream: {stream: "${nobody}"}, fails: {}}]`:                                                     "nothing is known",
		`[{next: {of: nobody, count: 1}, fails: {}}]`:                                                          "no subscription",
		`[{client: {address: nowhere}, fails: {type: InvalidRequest, fields: [server]}}]`:                      "",
		`[{client: {address: "mink:1", token: t}, fails: {type: CredentialsError, argument: insecure_token}}]`: "",
	} {
		err := steps(t, text)
		if (err == nil) != (wanted == "") || err != nil && !strings.Contains(err.Error(), wanted) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
