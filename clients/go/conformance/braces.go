package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// Words in braces: what `${…}` in a case becomes.

var (
	word    = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_.-]+)?)(?: ([+-]) ([0-9]+))?\}$`)
	anyWord = regexp.MustCompile(`\$\$\{|\$\{[^}]*\}?`)
)

// known gives what a name stands for.
type known func(name string) (any, error)

// replaced is a value of a case in which all words are replaced, also in what it holds; keys are not.
func replaced(value any, names known) (any, error) {
	switch value := value.(type) {
	case string:
		return replacedText(value, names)
	case []any:
		list := make([]any, len(value))
		for i, entry := range value {
			var err error
			if list[i], err = replaced(entry, names); err != nil {
				return nil, err
			}
		}
		return list, nil
	case object:
		found := make(object, len(value))
		for key, entry := range value {
			var err error
			if found[key], err = replaced(entry, names); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	return value, nil
}

func replacedText(text string, names known) (any, error) {
	if parts := word.FindStringSubmatch(text); parts != nil {
		return wordValue(parts, names)
	}
	var failure error
	result := anyWord.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$${" {
			return "${"
		}
		parts := word.FindStringSubmatch(found)
		if parts == nil {
			failure = fmt.Errorf("%s is none of the words in braces that there are", found)
			return ""
		}
		value, err := wordValue(parts, names)
		var written string
		if err == nil {
			written, err = asText(value)
		}
		if err != nil {
			failure = err
		}
		return written
	})
	return result, failure
}

func wordValue(parts []string, names known) (any, error) {
	value, err := names(parts[1])
	if err != nil || parts[2] == "" {
		return value, err
	}
	number, whole := value.(int64)
	if !whole {
		return nil, fmt.Errorf("%s: %s is no whole number, but %s", parts[0], parts[1], shown(value))
	}
	change, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return nil, err
	}
	if parts[2] == "-" {
		change = -change
	}
	return number + change, nil
}
