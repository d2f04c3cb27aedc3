// Says what time it sees for each line that it reads, while others ask for it all the time and are
// interrupted by the signals of Go's own scheduler.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	for number := 0; number < 2; number++ {
		go func() {
			for before := time.Now(); ; {
				now := time.Now()
				if now.Sub(before) < 0 {
					panic("the monotonic clock went back")
				}
				before = now
			}
		}()
	}
	go func() {
		for {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("clock", time.Now().UnixNano())
	}
}
