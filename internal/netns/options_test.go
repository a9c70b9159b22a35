// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNamedMatches(t *testing.T) {
	n := Named{Include: []string{"vpn-*", "gw?", "!x", "[ab]c", "[!a-c]d", "[^a]e", "{eu,us}-?", `\*`}, Exclude: []string{"*-test"}}
	for name, want := range map[string]bool{
		"vpn-1": true, "vpn-": true, "vpn": false, "gw1": true, "gw12": false, "vpn-a-test": false,
		"!x": true, "x": false, "ac": true, "cc": false, "": false,
		"ad": false, "!d": true, "xd": true, "ae": false, "be": true, "eu-1": true, "us-2": true, "as-1": false, "{eu,us}-1": false,
		"*": true, "a": false, "vpn-\xff": true,
	} {
		assert.Equal(t, want, n.matches(name), name)
	}
	assert.False(t, Named{}.matches("x"))
}

func TestNamedValidate(t *testing.T) {
	assert.Empty(t, Named{}.Validate())
	assert.Empty(t, Named{Include: []string{"*"}, Exclude: []string{"a[b-d]"}, Directories: []string{"/run/netns"}}.Validate())
	err := errors.Join(Named{Include: []string{"[a", "", "{a,b", "a/b"}, Exclude: []string{"\\"}, Directories: []string{"run/netns"}}.Validate()...)
	for _, says := range []string{
		`"include": "[a" is not a valid pattern`, `"include": contains an empty pattern`, `"exclude": "\\" is not a valid pattern`,
		`"include": "{a,b" is not a valid pattern`, `"include": "a/b" contains a slash`,
		`"directories": "run/netns" is relative, expected an absolute path`,
	} {
		require.ErrorContains(t, err, says)
	}
	assert.ErrorContains(t, errors.Join(Named{Exclude: []string{"a"}}.Validate()...), `"include": is empty while "exclude" is set`)
}
