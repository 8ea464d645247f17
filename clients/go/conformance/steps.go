package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// runAll runs steps one after the other. The text before is the number of the step that these are part of, with a dot.
func runAll(ctx context.Context, steps []any, w *world, names *scope, before string) error {
	for i, step := range steps {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := run(ctx, step.(object), w, names, fmt.Sprintf("%s%d", before, i+1)); err != nil {
			return err
		}
	}
	return nil
}

// failedStep is: a step did not go as the case says. The text has its number.
type failedStep string

func (f failedStep) Error() string { return string(f) }

func run(ctx context.Context, step object, w *world, names *scope, number string) (err error) {
	operation := operationOf(step)
	defer func() {
		if wrong := recover(); wrong != nil {
			bad, ours := wrong.(badCase)
			if !ours {
				panic(wrong)
			}
			err = bad
		}
		var within failedStep
		if err != nil && !errors.As(err, &within) {
			err = failedStep(fmt.Sprintf("step %s (%s): %v", number, operation, err))
		}
	}()
	switch operation {
	case "repeat":
		return repeat(ctx, step[operation].(object), w, names, number)
	case "together":
		return together(ctx, list(step[operation]), w, names, number)
	}
	return one(ctx, operation, step, w, names)
}

func operationOf(step object) string {
	for key := range step {
		if key != "by" && key != "returns" && key != "fails" {
			return key
		}
	}
	return ""
}

func repeat(ctx context.Context, said object, w *world, names *scope, number string) error {
	times, atOnce := whole(must(replaced(said["times"], names.get))), int64(1)
	if given, there := said["at_once"]; there {
		atOnce = whole(must(replaced(given, names.get)))
	}
	var begun atomic.Int64
	return allOf(ctx, int(min(times, atOnce)), func(ctx context.Context, _ int) error {
		for i := begun.Add(1); i <= times; i = begun.Add(1) {
			inner := names.numbered(int(i))
			if err := runAll(ctx, list(said["steps"]), w, inner, number+"."); err != nil {
				return err
			}
			inner.giveOut()
		}
		return nil
	})
}

func together(ctx context.Context, lists []any, w *world, names *scope, number string) error {
	inner := make([]*scope, len(lists))
	for i := range lists {
		inner[i] = names.inner()
	}
	err := allOf(ctx, len(lists), func(ctx context.Context, i int) error {
		return runAll(ctx, list(lists[i]), w, inner[i], fmt.Sprintf("%s.%d.", number, i+1))
	})
	for _, one := range inner {
		one.giveOut()
	}
	return err
}

// allOf runs so many at the same time, and waits for all. The first failure ends the others, and is given.
func allOf(ctx context.Context, count int, work func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for i := range count {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := work(ctx, i); err != nil {
				cancel(err)
			}
		}()
	}
	all.Wait()
	return context.Cause(ctx)
}

func one(ctx context.Context, operation string, step object, w *world, names *scope) error {
	result, err := do(ctx, operation, step, w, names)
	says, fails := step["fails"]
	if err != nil {
		failure := toldError(err)
		if failure == nil {
			return err
		}
		if !fails {
			return mismatch(fmt.Sprintf("expected that it succeeds, came %s: %v", shown(failure), err))
		}
		return compareAll(says, failure, names, fmt.Sprintf("; the error is %T: %v", err, err))
	}
	if fails {
		return mismatch(fmt.Sprintf("expected that it fails with %s, came %s", shown(says), shown(result)))
	}
	if says, returns := step["returns"]; returns {
		return compareAll(says, result, names, "")
	}
	return nil
}

func compareAll(says any, came object, names *scope, about string) error {
	names.keep(saved(says, came))
	wanted, err := replaced(says, names.get)
	if err != nil {
		return err
	}
	if err := match(wanted, came, ""); err != nil {
		return mismatch(err.Error() + about)
	}
	return nil
}

func do(ctx context.Context, operation string, step object, w *world, names *scope) (object, error) {
	by := "main"
	if given, there := step["by"]; there {
		by = text(must(replaced(given, names.get)))
	}
	said, _ := step[operation].(object)
	switch operation {
	case "append", "append_many":
		// Events of which there are many have words in braces of their own.
		client, err := w.client(by)
		if err != nil {
			return nil, err
		}
		if operation == "append" {
			return appendOne(ctx, client, said, names)
		}
		return appendMany(ctx, client, said, names)
	}
	arguments := must(replaced(said, names.get)).(object)
	if work, ok := onWorld[operation]; ok {
		return work(ctx, w, arguments)
	}
	work, ok := onClient[operation]
	if !ok && operation != "subscribe" {
		return nil, badCase(fmt.Sprintf("there is no operation %q", operation))
	}
	client, err := w.client(by)
	if err != nil {
		return nil, err
	}
	if operation == "subscribe" {
		subscribe(context.Background(), w, client, arguments)
		return object{}, nil
	}
	return work(ctx, client, arguments)
}
