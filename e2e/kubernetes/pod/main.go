// SPDX-License-Identifier: Apache-2.0

// Pod is the program of all pods of the tests: it waits to be terminated. With an
// address and a number, it sends that many datagrams instead.
package main

import (
	"errors"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	if len(os.Args) > 1 {
		if err := send(os.Args[1], os.Args[2]); err != nil {
			log.Fatal(err)
		}
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
}

// send sends from a socket that is not connected: connect would raise counters of its
// own. The errors with which the kernel refuses a packet that it drops are what the
// test wants. One of them is EAGAIN, after which package net would wait for ever.
func send(to, number string) error {
	address, err := netip.ParseAddr(to)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	for range count {
		err := syscall.Sendto(socket, []byte("x"), 0, &syscall.SockaddrInet4{Port: 9, Addr: address.As4()})
		if err != nil && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ENOBUFS) {
			return err
		}
	}
	return nil
}
