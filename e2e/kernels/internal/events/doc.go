// SPDX-License-Identifier: Apache-2.0

// Package events makes the kernel tell what happens to packets, associations and
// policies, and says which log records must come of it.
package events
