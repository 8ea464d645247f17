package main

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"
)

// mismatch is: what came is not what the case says. The text says where, what it says and what came.
type mismatch string

func (m mismatch) Error() string { return string(m) }

// match compares. What the case says has no words in braces any more. What is returned is a mismatch, or what is wrong with the case.
func match(says, came any, where string) error {
	holds, err := holds(says, came, where)
	if err != nil || holds {
		return err
	}
	if where == "" {
		where = "it"
	}
	return mismatch(fmt.Sprintf("%s: expected %s, came %s", where, shown(says), shown(came)))
}

// holds says whether it matches; a mismatch in a part of it is returned, with the part's name.
func holds(says, came any, where string) (bool, error) {
	switch says := says.(type) {
	case object:
		if isOperators(says) {
			for key, argument := range says {
				if good, err := operator(key, argument, came, where); err != nil || !good {
					return false, err
				}
			}
			return true, nil
		}
		found, ok := came.(object)
		if !ok {
			return false, nil
		}
		for key, expected := range says {
			if err := match(expected, get(found, key), strings.TrimPrefix(where+"."+key, ".")); err != nil {
				return false, err
			}
		}
		return true, nil
	case []any:
		found, ok := came.([]any)
		if !ok || len(found) != len(says) {
			return false, nil
		}
		for i := range says {
			if err := match(says[i], found[i], fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return equal(says, came), nil
}

func isOperators(says object) bool {
	for key := range says {
		if strings.HasPrefix(key, "$") {
			return true
		}
	}
	return false
}

func get(from object, key string) any {
	if value, there := from[key]; there {
		return value
	}
	return nothing{}
}

func equal(says, came any) bool {
	if order, numbers := compare(says, came); numbers {
		return order == 0
	}
	switch says.(type) {
	case nil, bool, string:
		return says == came
	}
	return false
}

// compare compares two numbers by value; whole ones to the last digit.
func compare(x, y any) (order int, numbers bool) {
	one, two := number(x), number(y)
	if one == nil || two == nil {
		return 0, false
	}
	return one.Cmp(two), true
}

func number(value any) *big.Rat {
	switch value := value.(type) {
	case int64:
		return new(big.Rat).SetInt64(value)
	case float64:
		return new(big.Rat).SetFloat64(value)
	}
	return nil
}

func operator(key string, argument, came any, where string) (bool, error) {
	_, absent := came.(nothing)
	switch key {
	case "$save":
		return !absent, nil
	case "$any":
		return !absent && came != nil, nil
	case "$absent":
		return absent || came == nil, nil
	case "$above", "$at_least", "$below":
		order, numbers := compare(came, argument)
		return numbers && (key == "$above" && order > 0 || key == "$at_least" && order >= 0 || key == "$below" && order < 0), nil
	case "$contains":
		return contains(argument, came, where)
	case "$matches":
		return matches(argument, came)
	case "$length":
		return length(argument, came, where)
	case "$first", "$last":
		list, ok := came.([]any)
		if !ok || len(list) == 0 {
			return false, nil
		}
		place := 0
		if key == "$last" {
			place = len(list) - 1
		}
		err := match(argument, list[place], fmt.Sprintf("%s[%d]", where, place))
		return err == nil, err
	case "$each":
		list, ok := came.([]any)
		for i, entry := range list {
			if err := match(argument, entry, fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return false, err
			}
		}
		return ok, nil
	case "$ascending", "$descending", "$consecutive":
		return ordered(key, argument, came, where)
	case "$not":
		good, err := quietly(argument, came, where)
		return !absent && !good, err
	}
	return false, fmt.Errorf("%s is none of the words that can be matched with", key)
}

// quietly says whether it matches, and tells nothing of a mismatch.
func quietly(says, came any, where string) (bool, error) {
	err := match(says, came, where)
	if _, is := err.(mismatch); is {
		return false, nil
	}
	return err == nil, err
}

func contains(part, came any, where string) (bool, error) {
	if text, ok := came.(string); ok {
		wanted, ok := part.(string)
		return ok && strings.Contains(text, wanted), nil
	}
	list, _ := came.([]any)
	for _, entry := range list {
		if good, err := quietly(part, entry, where); good || err != nil {
			return good, err
		}
	}
	return false, nil
}

func matches(pattern, came any) (bool, error) {
	wanted, ok := pattern.(string)
	if !ok {
		return false, fmt.Errorf("$matches: a pattern, not %s", shown(pattern))
	}
	compiled, err := regexp.Compile(`\A(?:` + wanted + `)\z`)
	if err != nil {
		return false, err
	}
	text, ok := came.(string)
	return ok && compiled.MatchString(text), nil
}

func length(says, came any, where string) (bool, error) {
	var found int
	switch came := came.(type) {
	case string:
		found = utf8.RuneCountInString(came)
	case []any:
		found = len(came)
	case object:
		found = len(came)
	default:
		return false, nil
	}
	return quietly(says, int64(found), where)
}

func ordered(key string, field, came any, where string) (bool, error) {
	name, ok := field.(string)
	list, isList := came.([]any)
	if !ok || !isList {
		return false, nil
	}
	var before *big.Rat
	for i, entry := range list {
		found, _ := entry.(object)
		now := number(found[name])
		if now == nil {
			return false, nil
		}
		if before != nil && !follows(key, before, now) {
			return false, mismatch(fmt.Sprintf("%s[%d].%s: came %s after %s", where, i, name, now.RatString(), before.RatString()))
		}
		before = now
	}
	return true, nil
}

func follows(key string, before, now *big.Rat) bool {
	switch key {
	case "$ascending":
		return now.Cmp(before) > 0
	case "$descending":
		return now.Cmp(before) < 0
	}
	return new(big.Rat).Sub(now, before).Cmp(big.NewRat(1, 1)) == 0
}

// saved is what `$save` keeps, by name. What is not there is not kept, and will not match either.
func saved(says, came any) object {
	kept := object{}
	keep(says, came, kept)
	return kept
}

func keep(says, came any, kept object) {
	switch says := says.(type) {
	case []any:
		list, _ := came.([]any)
		for i := range min(len(says), len(list)) {
			keep(says[i], list[i], kept)
		}
	case object:
		for key, expected := range says {
			name, isName := expected.(string)
			if key == "$save" && isName {
				if _, absent := came.(nothing); !absent {
					kept[name] = came
				}
			} else {
				keep(expected, part(key, came), kept)
			}
		}
	}
}

// part is what of it a key of a case is about.
func part(key string, came any) any {
	list, _ := came.([]any)
	switch {
	case key == "$first" && len(list) > 0:
		return list[0]
	case key == "$last" && len(list) > 0:
		return list[len(list)-1]
	case strings.HasPrefix(key, "$"):
		return nothing{}
	}
	if found, ok := came.(object); ok {
		return get(found, key)
	}
	return nothing{}
}
