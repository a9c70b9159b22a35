// SPDX-License-Identifier: Apache-2.0

// Package lab is the network inside the guest: two namespaces, joined by a veth
// pair, and what a test does in them. There is no userland but the test itself,
// so it speaks netlink and opens sockets directly.
package lab

import "errors"

// ErrRefused says that this kernel does not allow what others do.
var ErrRefused = errors.New("the kernel refuses it")
