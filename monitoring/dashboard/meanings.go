// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// parseMeanings reads from docs/reasons.md what each reason means, by direction
// and reason joined with a dash, which is also the name of the reason's section.
func parseMeanings(page string) (map[string]string, error) {
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^### (inbound|outbound) ([a-z_]+)$`).FindAllStringSubmatch(page, -1) {
		sections[m[1]+"-"+m[2]] = true
	}
	meanings := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| Xfrm\w+ \| (\w+) \| (\w+) \| [^|]* \| ([^|]*) \|`).FindAllStringSubmatch(page, -1) {
		key := m[1] + "-" + m[2]
		if !sections[key] {
			return nil, fmt.Errorf("no section %q, to which the dashboard links", key)
		}
		meanings[key] = strings.ReplaceAll(m[3], "`", "")
	}
	if len(meanings) == 0 {
		return nil, errors.New("no table of reasons")
	}
	return meanings, nil
}
