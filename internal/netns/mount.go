// SPDX-License-Identifier: Apache-2.0

package netns

// mount is a file that may be the bind mount of a network namespace.
type mount struct {
	name string
	// path on the host, below the directory as configured.
	path string
	id   mountID
	// link says that id is that of a symbolic link, not of the mount behind it.
	link bool
	// err says why it cannot be a namespace, or is nil.
	err error
}

// mountID identifies the bind mount of a namespace. The kernel uses the inode
// number of a namespace again at once after a delete; only together with the
// change time is it an identity. Two file systems use the same inode numbers, so
// that for links the device belongs to it too.
type mountID struct {
	device, inode uint64
	// changed is the change time in nanoseconds since the epoch.
	changed int64
}
