//go:build !unix

package mink

import "io/fs"

// identity would tell a file that took another one's place from that one: here, its time and size must do.
func identity(fs.FileInfo) uint64 { return 0 }
