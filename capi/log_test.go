package main

import (
	"log"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
)

// Messages that other libraries log through klog or log wait for the host's callback.
func TestLogsReachTheHost(t *testing.T) {
	klog.Warning("nobody listens")
	require.Empty(t, logging.waiting)
	logging.to, logging.minLevel = &listener{}, logWarning // the listener is never called
	defer func() { logging.to, logging.waiting = nil, nil }()
	klog.Info("below the level")
	klog.Warningf("a %s", "warning")
	klog.Error("an error")
	log.Print("below the level")
	klog.Flush()
	require.Equal(t, []message{{logWarning, "a warning"}, {logWarning + 1, "an error"}}, logging.waiting)
}
