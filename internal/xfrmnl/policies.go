// SPDX-License-Identifier: Apache-2.0

package xfrmnl

// PolicyCounts are numbers of policies by direction (struct xfrmu_spdinfo). Those
// of sockets are apart: a daemon has them on the sockets that it uses itself.
type PolicyCounts struct {
	In, Out, Forward                   uint32
	SocketIn, SocketOut, SocketForward uint32
}
