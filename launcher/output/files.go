package output

import (
	"os"
	"sync"
)

// Files writes each stream to a file of its own, from one goroutine: a slow
// disk holds up who prints, and nothing else.
type Files struct {
	files  []*os.File
	failed func(error)
	done   chan struct{}

	mu     sync.Mutex
	more   sync.Cond
	queue  []filePiece
	closed bool
}

type filePiece struct {
	file    int
	data    []byte
	written func()
}

// CreateFiles creates the files at paths, empty. failed is called once, with the
// first error of a write, after which pieces are dropped.
func CreateFiles(paths []string, failed func(error)) (*Files, error) {
	f := &Files{failed: failed, done: make(chan struct{})}
	f.more.L = &f.mu
	for _, path := range paths {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			for _, open := range f.files {
				open.Close()
			}
			return nil, err
		}
		f.files = append(f.files, file)
	}
	go f.run()
	return f, nil
}

// Put queues data for the file of this index; written, when not nil, is called
// when it is out or dropped.
func (f *Files) Put(file int, data []byte, written func()) {
	f.mu.Lock()
	f.queue = append(f.queue, filePiece{file, data, written})
	f.mu.Unlock()
	f.more.Signal()
}

// Close ends the writer once everything queued is out; Done is closed then.
func (f *Files) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.more.Signal()
}

// Done is closed when the writer has ended.
func (f *Files) Done() <-chan struct{} { return f.done }

func (f *Files) run() {
	defer close(f.done)
	broken := false
	note := func(err error) {
		if err != nil && !broken {
			broken = true
			f.failed(err)
		}
	}
	for {
		f.mu.Lock()
		for len(f.queue) == 0 && !f.closed {
			f.more.Wait()
		}
		batch := f.queue
		f.queue = nil
		f.mu.Unlock()
		if len(batch) == 0 {
			break
		}
		for _, p := range batch {
			if !broken {
				_, err := f.files[p.file].Write(p.data)
				note(err)
			}
			if p.written != nil {
				p.written()
			}
		}
	}
	for _, file := range f.files {
		note(file.Close()) // some file systems tell only now that there is no room
	}
}
