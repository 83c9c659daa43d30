package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gridrun/internal/engine"
	"gridrun/internal/transport/reach"
	"gridrun/internal/transport/shm"
	"gridrun/internal/waittable"
	"gridrun/internal/wire"
)

// rankEnd is a rank's end of its control socket, blocking.
type rankEnd struct{ fd int }

// receive returns the next packet and its descriptor, -1: none.
func (r rankEnd) receive() (wire.Message, int, error) {
	data, oob := make([]byte, wire.MaxControl), make([]byte, 64)
	n, oobn, _, _, err := syscall.Recvmsg(r.fd, data, oob, syscall.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, -1, err
	}
	fd := -1
	if messages, err := syscall.ParseSocketControlMessage(oob[:oobn]); err == nil && len(messages) == 1 {
		if fds, err := syscall.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			fd = fds[0]
		}
	}
	if n == 0 {
		return nil, fd, errNoControl
	}
	m, err := wire.Unmarshal(data[:n])
	return m, fd, err
}

func (r rankEnd) send(m wire.Message) error {
	b, err := wire.Marshal(m)
	if err != nil {
		return err
	}
	return syscall.Sendmsg(r.fd, b, nil, nil, 0)
}

// playRank is a rank of the tests.
func playRank(job string, args []string) int {
	if os.Getenv("GRIDRUN_CONTROL") != "3" {
		return 99
	}
	syscall.CloseOnExec(3)
	r := rankEnd{3}
	m, fd, err := r.receive()
	welcome, ok := m.(*wire.Welcome)
	if err != nil || !ok {
		fmt.Println("no welcome:", m, err)
		return 98
	}
	if job == "late" { // listens, but only after a line of input
		fmt.Println("waiting")
		bufio.NewReader(os.Stdin).ReadString('\n')
		job = "listen"
	}
	r.send(new(wire.Attach))
	switch job {
	case "welcome":
		var st syscall.Stat_t
		size := int64(-1)
		if fd >= 0 && syscall.Fstat(fd, &st) == nil {
			size = st.Size
		}
		fmt.Printf("%s %q proc=%d ranks=%v args=%q segment=%v bytes=%v key=%d topology=%d/%d\n", welcome.Job, welcome.Transport, welcome.Proc, welcome.Ranks,
			welcome.Args, welcome.Segment, size > 0, len(welcome.Key), len(welcome.Topology.RankProc), len(welcome.Topology.ProcHost))
		return 0
	case "nothing":
		return 0
	case "service": // says each argument to the host service, the last "until refused" for as long as it answers
		for _, line := range args {
			answer := askService(r, welcome.Ranks[0], line)
			for line == "until refused" && !strings.HasPrefix(answer, "refused") {
				answer = askService(r, welcome.Ranks[0], line)
			}
			fmt.Println(answer)
		}
		return 0
	case "lookup": // asks where each argument listens
		for _, arg := range args {
			proc, _ := strconv.Atoi(arg)
			r.send(&wire.Lookup{Proc: proc})
			m, _, err := r.receive()
			a, ok := m.(*wire.Address)
			switch {
			case err != nil || !ok || a.Proc != proc:
				fmt.Printf("%T %+v %v\n", m, m, err)
			case a.Error != "":
				fmt.Println(a.Error)
			default:
				fmt.Printf("%d at %v\n", proc, a.Addrs)
			}
		}
		select {}
	case "call": // calls the processes that its arguments name, and reads what they answer
		for _, arg := range args {
			proc, _ := strconv.Atoi(arg)
			answer, err := call(r, welcome, proc)
			fmt.Printf("%d: %q %v\n", proc, answer, err)
		}
		return 0
	case "answer": // sends back the first line of each connection
		fmt.Println("listening")
		for {
			m, fd, err := r.receive()
			if err != nil {
				return 0
			}
			if c, ok := m.(*wire.Conn); ok {
				echo(fd, "process %d got %s from %d\n", welcome.Proc, c.From)
			}
		}
	case "wait": // is blocked since an hour ago
		segment, err := shm.Attach(os.NewFile(uintptr(fd), "segment"))
		if err != nil {
			fmt.Println(err)
			return 96
		}
		for _, rank := range welcome.Ranks {
			segment.Waits(rank).Enter(waittable.Wait{Op: uint8(engine.OpRecv), Peer: int32(rank + 1), Tag: 5, Seq: 3, Group: 9,
				Root: 2, Count: 10, Elem: 4, Members: 3, Since: time.Now().Add(-time.Hour)})
		}
		fmt.Println("waiting")
		select {}
	case "fail":
		r.send(&wire.Progress{Rank: welcome.Ranks[0], Done: 3, Total: 4})
		syscall.Sendmsg(r.fd, []byte("not a message"), nil, nil, 0)
		r.send(&wire.Failed{Failure: wire.Failure{Rank: welcome.Ranks[0], Text: "it broke"}})
		return 1
	case "listen": // prints what comes over the control socket
		fmt.Println("listening")
		for {
			m, fd, err := r.receive()
			if err != nil {
				return 0
			}
			fmt.Printf("%T %+v fd=%v\n", m, m, fd >= 0)
			if _, ok := m.(*wire.Cause); ok {
				return 3
			}
		}
	}
	fmt.Println("unknown role", job, args)
	return 97
}

// echo answers the first line of a connection.
func echo(fd int, format string, me, from int) {
	conn := os.NewFile(uintptr(fd), "connection")
	line, _ := bufio.NewReader(conn).ReadString('\n')
	fmt.Fprintf(conn, format, me, strings.TrimSuffix(line, "\n"), from)
	conn.Close()
}

// where asks the agent for proc's address. What comes before the answer is for other.
func where(r rankEnd, proc int, other func(m wire.Message, fd int)) (*wire.Address, error) {
	if err := r.send(&wire.Lookup{Proc: proc}); err != nil {
		return nil, err
	}
	for {
		m, fd, err := r.receive()
		if err != nil {
			return nil, err
		}
		if at, ok := m.(*wire.Address); ok && at.Proc == proc {
			return at, nil
		}
		other(m, fd)
	}
}

// call connects to proc, says "hello" and returns the answer.
func call(r rankEnd, w *wire.Welcome, proc int) (string, error) {
	at, err := where(r, proc, func(wire.Message, int) {}) // Gone
	if err != nil {
		return "", err
	}
	if at.Error != "" {
		return "", errors.New(at.Error)
	}
	host := -1 - proc
	if proc >= 0 {
		host = w.Topology.ProcHost[proc]
	}
	d := reach.NewDialer(w.Job, w.Key, w.Proc, w.Topology.Hosts[w.Topology.ProcHost[w.Proc]])
	c, err := d.Dial(context.Background(), reach.Target{Proc: proc, Host: host, Name: at.Host}, at.Addrs)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patient))
	fmt.Fprintln(c, "hello")
	b, err := io.ReadAll(c)
	return string(b), err
}

// askService says line to the host service and returns its answer.
func askService(r rankEnd, rank int, line string) string {
	if err := r.send(&wire.Service{Rank: rank}); err != nil {
		return err.Error()
	}
	var s *wire.Service
	var fd int
	for s == nil { // others end meanwhile: Gone
		m, got, err := r.receive()
		if err != nil {
			return err.Error()
		}
		s, _ = m.(*wire.Service)
		fd = got
	}
	if s.Error != "" {
		return "refused: " + s.Error
	}
	conn := os.NewFile(uintptr(fd), "service")
	defer conn.Close()
	fmt.Fprintln(conn, line)
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%q", answer)
}

// playHostd answers the first line of each connection with the rank it is for.
// A line "die" ends it, "die slowly" some time after its sockets, after a line "where" it asks for the service of host 1.
func playHostd() int {
	if os.Getenv("GRIDRUN_CONTROL") != "3" || os.Getenv("GRIDRUN_JOB") != "test" {
		return 99
	}
	r := rankEnd{3}
	m, _, err := r.receive()
	welcome, ok := m.(*wire.Welcome)
	if err != nil || !ok || len(welcome.Ranks) != 0 || len(welcome.Key) != 32 {
		return 98
	}
	for {
		m, fd, err := r.receive()
		if err != nil {
			return 0
		}
		if code := answerAsHostd(r, welcome, m, fd); code != 0 {
			return code
		}
	}
}

// answerAsHostd returns the code to end with, 0: go on.
func answerAsHostd(r rankEnd, welcome *wire.Welcome, m wire.Message, fd int) (code int) {
	if c, ok := m.(*wire.Conn); ok {
		echo(fd, "service %d got %s from %d\n", welcome.Proc, c.From)
		return 0
	}
	rank := m.(*wire.Service).Rank
	line := make([]byte, 100)
	n, err := syscall.Read(fd, line)
	if err != nil {
		return 96
	}
	if string(line[:n]) == "die\n" {
		return 7
	}
	if string(line[:n]) == "die slowly\n" { // as one whose memory the kernel is still tearing down
		syscall.Close(r.fd)
		syscall.Close(fd)
		time.Sleep(300 * time.Millisecond)
		return 7
	}
	if string(line[:n]) == "where\n" {
		at, err := where(r, reach.Service(1), func(m wire.Message, fd int) { code = max(code, answerAsHostd(r, welcome, m, fd)) })
		n = copy(line, fmt.Sprintf("%+v %v", at, err))
	}
	conn := os.NewFile(uintptr(fd), "connection")
	fmt.Fprintf(conn, "rank %d said %s", rank, line[:n])
	conn.Close()
	return code
}
