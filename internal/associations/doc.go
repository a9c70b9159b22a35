// SPDX-License-Identifier: Apache-2.0

// Package associations asks the kernel for the security associations and policies
// of network namespaces, and listens to what becomes of those of the main one.
package associations
