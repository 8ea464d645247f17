package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Values are what YAML and JSON have in common: nil, bool, int64, float64, string, []any, object.
type object = map[string]any

// nothing is a value that is not there at all.
type nothing struct{}

// fromYAML reads a file of YAML.
func fromYAML(text []byte) (any, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return nil, err
	}
	return fromNode(&node)
}

func fromNode(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.DocumentNode:
		return fromNode(node.Content[0])
	case yaml.AliasNode:
		return fromNode(node.Alias)
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, entry := range node.Content {
			value, err := fromNode(entry)
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case yaml.MappingNode:
		found := object{}
		for i := 0; i < len(node.Content); i += 2 {
			value, err := fromNode(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			found[node.Content[i].Value] = value
		}
		return found, nil
	}
	switch node.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strconv.ParseBool(node.Value)
	case "!!int":
		return strconv.ParseInt(node.Value, 0, 64)
	case "!!float":
		return strconv.ParseFloat(node.Value, 64)
	}
	return node.Value, nil
}

// fromJSON reads what the harness answers.
func fromJSON(from io.Reader) (any, error) {
	decoder := json.NewDecoder(from)
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return withNumbers(value), nil
}

func withNumbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return whole
		}
		number, _ := value.Float64()
		return number
	case []any:
		for i := range value {
			value[i] = withNumbers(value[i])
		}
	case object:
		for key := range value {
			value[key] = withNumbers(value[key])
		}
	}
	return value
}

// longest is how much of a value an error shows.
const longest = 1000

// shown is a value as an error shows it.
func shown(value any) string {
	if _, absent := value.(nothing); absent {
		return "nothing"
	}
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	text := string(bytes.TrimSpace(written.Bytes()))
	if len(text) > longest {
		return fmt.Sprintf("%s… (%d bytes)", text[:longest], len(text))
	}
	return text
}

// asText is how a value stands in a text.
func asText(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case bool:
		return strconv.FormatBool(value), nil
	case int64:
		return strconv.FormatInt(value, 10), nil
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64), nil
	}
	return "", fmt.Errorf("only a text, a number or true and false can stand in a text, not %s", shown(value))
}
