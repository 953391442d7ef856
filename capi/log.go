package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"flag"
	"log"
	"strings"
	"sync"
	"unsafe"

	"k8s.io/klog/v2"
)

// logging holds messages until an exported function returns: callbacks run only on threads that
// called govpn.
var logging = struct {
	sync.Mutex
	to       *listener // nil: nobody listens, messages are dropped
	minLevel C.int32_t
	waiting  []message
}{minLevel: C.GOVPN_LOG_WARNING}

// A listener is the callback that one call of govpn_set_log registered.
type listener struct {
	fn   C.govpn_log_fn
	user C.uintptr_t
	busy sync.WaitGroup // running calls of fn; Add only under logging's lock, while to points here
}

// A message waits for the log callback.
type message struct {
	level C.int32_t
	text  string
}

const (
	maxWaiting = 256 // messages that wait; further ones are dropped
	logWarning = C.GOVPN_LOG_WARNING
)

// The libraries below log through klog and log. init sends both to record, so that nothing reaches
// the host's standard error.
func init() {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{
		"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL", "one_output": "true", "skip_headers": "true",
	} {
		if err := flags.Set(name, value); err != nil {
			panic(err)
		}
	}
	klog.SetOutputBySeverity("INFO", sink(C.GOVPN_LOG_INFO))
	klog.SetOutputBySeverity("WARNING", sink(C.GOVPN_LOG_WARNING))
	klog.SetOutputBySeverity("ERROR", sink(C.GOVPN_LOG_ERROR))
	klog.SetOutputBySeverity("FATAL", sink(C.GOVPN_LOG_ERROR))
	log.SetFlags(0)
	log.SetOutput(sink(C.GOVPN_LOG_INFO))
}

// A sink is an io.Writer that records each write as a message of one level.
type sink C.int32_t

func (s sink) Write(p []byte) (int, error) {
	record(C.int32_t(s), strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// record keeps a message for the log callback, if one is set and wants this level.
func record(level C.int32_t, text string) {
	logging.Lock()
	defer logging.Unlock()
	if logging.to != nil && level >= logging.minLevel && len(logging.waiting) < maxWaiting {
		logging.waiting = append(logging.waiting, message{level: level, text: text})
	}
}

// flushLog calls the log callback on this thread with the waiting messages.
func flushLog() {
	for {
		logging.Lock()
		if len(logging.waiting) == 0 {
			logging.Unlock()
			return
		}
		to, m := logging.to, logging.waiting[0]
		logging.waiting = logging.waiting[1:]
		to.busy.Add(1)
		logging.Unlock()
		text := cText(m.text)
		C.bridge_call_log(to.fn, m.level, (*C.bridge_text)(text), to.user)
		C.free(unsafe.Pointer(text))
		to.busy.Done()
	}
}

//export goSetLog
func goSetLog(fn C.govpn_log_fn, user C.uintptr_t) C.int32_t {
	return call(func() error {
		logging.Lock()
		before := logging.to
		logging.to, logging.waiting = nil, nil
		if fn != nil {
			logging.to = &listener{fn: fn, user: user}
		}
		logging.Unlock()
		if before != nil && C.bridge_in_log() == 0 { // a callback would wait for itself
			before.busy.Wait()
		}
		return nil
	})
}

var levels = map[string]C.int32_t{
	"debug": C.GOVPN_LOG_DEBUG, "info": C.GOVPN_LOG_INFO, "warning": C.GOVPN_LOG_WARNING, "error": C.GOVPN_LOG_ERROR,
	"off": C.GOVPN_LOG_ERROR + 1,
}

func setLogLevel(name string) error {
	level, ok := levels[name]
	if !ok {
		return argError("log_level is %q, want debug, info, warning, error or off", name)
	}
	logging.Lock()
	defer logging.Unlock()
	logging.minLevel = level
	return nil
}
