// Times Porcupine on a history of registers, so that a ratio can be taken in one run.
//
// usage: porcupine HISTORY.jsonl TIMEOUT_SECONDS
//
// Prints {"seconds": s, "megabytes": m, "answer": "valid" | "invalid" | "unknown"}: the check alone,
// after reading. Operations of which nobody knows the outcome return at the end, as Porcupine wants it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

type line struct {
	Process json.RawMessage `json:"process"`
	Type    string          `json:"type"`
	F       string          `json:"f"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
}

type input struct {
	f        string
	key      string
	from, to string
}

type output struct {
	known bool
	ok    bool
	value string
}

var model = porcupine.Model{
	Partition: nil,
	PartitionEvent: func(events []porcupine.Event) [][]porcupine.Event {
		byKey := map[string][]porcupine.Event{}
		keyOf := map[int]string{}
		order := []string{}
		for _, event := range events {
			if event.Kind == porcupine.CallEvent {
				key := event.Value.(input).key
				keyOf[event.Id] = key
				if _, known := byKey[key]; !known {
					order = append(order, key)
				}
			}
			key := keyOf[event.Id]
			byKey[key] = append(byKey[key], event)
		}
		parts := [][]porcupine.Event{}
		for _, key := range order {
			parts = append(parts, byKey[key])
		}
		return parts
	},
	Init: func() interface{} { return "null" },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		held, op, answer := state.(string), in.(input), out.(output)
		switch op.f {
		case "read":
			return !answer.known || answer.value == held, held
		case "write":
			return true, op.to
		default:
			if held == op.from {
				return !answer.known || answer.ok, op.to
			}
			return !answer.known || !answer.ok, held
		}
	},
}

func main() {
	file, err := os.Open(os.Args[1])
	check(err)
	limit, err := strconv.Atoi(os.Args[2])
	check(err)
	events := read(file)
	began := time.Now()
	result := porcupine.CheckEventsTimeout(model, events, time.Duration(limit)*time.Second)
	seconds := time.Since(began).Seconds()
	answer := map[porcupine.CheckResult]string{
		porcupine.Ok: "valid", porcupine.Illegal: "invalid", porcupine.Unknown: "unknown",
	}[result]
	fmt.Printf("{\"seconds\": %f, \"megabytes\": %f, \"answer\": %q}\n", seconds, peak(), answer)
}

func read(file *os.File) []porcupine.Event {
	events := []porcupine.Event{}
	open := map[string]int{}
	ids := 0
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var one line
		check(json.Unmarshal(lines.Bytes(), &one))
		process := string(one.Process)
		if process == `"nemesis"` {
			continue
		}
		if one.Type == "invoke" {
			op := input{f: one.F, key: one.Key, to: string(one.Value)}
			if one.F == "cas" {
				var pair []json.RawMessage
				check(json.Unmarshal(one.Value, &pair))
				op.from, op.to = string(pair[0]), string(pair[1])
			}
			events = append(events, porcupine.Event{Kind: porcupine.CallEvent, Value: op, Id: ids})
			open[process] = ids
			ids++
			continue
		}
		id := open[process]
		if one.Type == "info" {
			continue
		}
		delete(open, process)
		answer := output{known: true, ok: one.Type == "ok", value: string(one.Value)}
		events = append(events, porcupine.Event{Kind: porcupine.ReturnEvent, Value: answer, Id: id})
	}
	check(lines.Err())
	for _, id := range open {
		events = append(events, porcupine.Event{Kind: porcupine.ReturnEvent, Value: output{}, Id: id})
	}
	return events
}

// The most memory that this process has held, in megabytes.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kilobytes, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, " kB")), 64)
			return kilobytes / 1024
		}
	}
	return 0
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
