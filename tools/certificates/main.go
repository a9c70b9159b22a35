// SPDX-License-Identifier: Apache-2.0

// Command certificates writes the root certificates that Mozilla trusts, as PEM: the
// image, which has no distribution below it, needs them for https. They are as new as
// golang.org/x/crypto/x509roots/fallback in go.mod, which the Go team keeps current.
package main

import (
	"bufio"
	"encoding/pem"
	"log"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	for root := range bundle.Roots() {
		// Mozilla trusts these for old certificates only, which PEM can't say.
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			log.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
