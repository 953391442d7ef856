//go:build !govpn_inject

// Package inject makes govpn panic where a test wants it to, in builds with the tag govpn_inject.
package inject

// Panic does nothing.
func Panic() {}
