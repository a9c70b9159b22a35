// SPDX-License-Identifier: Apache-2.0

// Package traffic sends known numbers of packets through tunnels, and does to their
// associations what daemons, operators and networks do.
package traffic
