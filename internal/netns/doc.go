// Package netns finds network namespaces and reads /proc/net/xfrm_stat in each.
//
// It knows which namespaces there are, what they are called and since when they
// count, and nothing of what the files say. It works on Linux only; elsewhere
// NewSource fails.
package netns
