// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSetnsRefused(t *testing.T) {
	const lacks, has = "CapEff:\t0000000000080000\n", "CapEff:\t0000000000200000\n"
	assert.Equal(t, ErrNotPermitted, setnsRefused([]byte(lacks+"Seccomp:\t2\n")))
	assert.Equal(t, ErrNotPermitted, setnsRefused(nil))
	for status, says := range map[string]string{
		has + "Seccomp:\t2\n": "runs under a seccomp filter",
		has + "Seccomp:\t0\n": "belongs to another user namespace, or a security module",
	} {
		err := setnsRefused([]byte(status))
		require.ErrorIs(t, err, ErrRefused)
		assert.ErrorContains(t, err, says)
	}
}

func TestOpenRefused(t *testing.T) {
	for status, want := range map[string]error{
		"":                            ErrSocketNotPermitted,
		"CapEff:\t0000000000200000\n": ErrSocketNotPermitted, // CAP_SYS_ADMIN alone
		"CapEff:\t0000000000080000\n": ErrSocketNotPermitted, // CAP_SYS_PTRACE alone
		"CapEff:\t0000000000280000\n": ErrSocketRefused,
	} {
		require.ErrorIs(t, openRefused([]byte(status)), want, status)
	}
}

func TestHasSysAdmin(t *testing.T) {
	assert.True(t, hasSysAdmin([]byte("Name:\tx\nCapEff:\t0000000000200000\nSeccomp:\t2\n")))
	assert.False(t, hasSysAdmin([]byte("CapPrm:\t0000000000200000\nCapEff:\t0000000000080000\n")))
	assert.False(t, hasSysAdmin(nil))
	assert.Equal(t, "2", statusField([]byte("CapEff:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n"), "Seccomp"))
}

func TestHasHidePID(t *testing.T) {
	for mounts, want := range map[string]bool{
		"":                                      false,
		"22 1 0:20 / /proc rw - proc proc rw\n": false,
		"22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw,hidepid=invisible\n":              true,
		"22 1 0:20 / /proc rw - proc proc rw,hidepid=2\n":                                      true,
		"22 1 0:20 / /proc rw - proc proc rw,hidepid=0\n":                                      false,
		"22 1 0:20 / /proc rw - proc proc rw,hidepid=off\n":                                    false,
		"22 1 0:20 / /hostfs/proc rw - proc proc rw,hidepid=2\n":                               false,
		"22 1 0:20 / /proc rw - tmpfs proc rw,hidepid=2\n":                                     false,
		"22 1 0:20 / /proc rw - proc proc rw,hidepid=2\n22 1 0:21 / /proc rw - proc proc rw\n": false,
		"garbage\n22 1\n": false,
	} {
		assert.Equal(t, want, hasHidePID([]byte(mounts), "/proc"), mounts)
	}
}
