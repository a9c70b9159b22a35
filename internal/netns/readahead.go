package netns

import "slices"

// batchSize is how many namespaces are read between two hand-overs to the
// goroutine that handles them. It bounds the memory, and how long a scrape takes
// to end.
const batchSize = 64

// batch are items whose data lies in one buffer.
type batch[T any] struct {
	items []T
	arena []byte
}

// readAhead reads items on a goroutine that spawn starts, and meanwhile handles
// those read before on the caller's. read appends the data of an item to arena
// and returns that; the data is valid while handle has its item.
func readAhead[T any](items []T, spawn func(run func()), read func(item T, arena []byte) []byte, handle func(item T)) {
	next, done := make(chan batch[T], 1), make(chan batch[T], 1)
	spawn(func() {
		defer close(done)
		for b := range next {
			for _, item := range b.items {
				b.arena = read(item, b.arena)
			}
			done <- b
		}
	})
	batches := slices.Collect(slices.Chunk(items, batchSize))
	const ahead = 2 // one is read, the other handled
	for i := range min(len(batches), ahead) {
		next <- batch[T]{items: batches[i]}
	}
	for i := range batches {
		b := <-done
		for _, item := range b.items {
			handle(item)
		}
		if i+ahead < len(batches) {
			next <- batch[T]{items: batches[i+ahead], arena: b.arena[:0]}
		}
	}
	close(next)
	<-done // it is closed
}
