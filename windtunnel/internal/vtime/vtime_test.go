package vtime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/internal/vtime"
)

func TestADayPassesAtOnce(t *testing.T) {
	var began, woke time.Time
	heard := false
	require.NoError(t, vtime.Test(t, func() {
		began = time.Now()
		go func() {
			time.Sleep(time.Hour)
			heard = true
		}()
		time.Sleep(time.Hour)
		vtime.Settle()
		require.True(t, heard, "what is due at one moment is done when it has settled")
		time.Sleep(23 * time.Hour)
		woke = time.Now()
	}))
	require.Equal(t, vtime.Start, began.UTC())
	require.Equal(t, vtime.Start.Add(24*time.Hour), woke.UTC())
}

func TestAPanicIsAnError(t *testing.T) {
	err := vtime.Test(t, func() { panic("boom") })
	require.ErrorContains(t, err, "boom")
	require.ErrorContains(t, err, "vtime_test.go")
}

func TestWorkOutsideLeavesGoroutinesThatNeverEnd(t *testing.T) {
	worked := false
	stop := make(chan struct{})
	require.NoError(t, vtime.Test(t, func() {
		before := time.Now()
		vtime.Outside(func() {
			go func() { <-stop }()
			worked = time.Now().Year() > before.Year()
		})
		require.Equal(t, before, time.Now(), "the clock stood still")
	}))
	close(stop)
	require.True(t, worked, "in real time")
}
