// Reads tokens, one a line, and writes of each whether the example of docs/verifiers.md accepts it.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
)

func main() {
	verify, err := accessTokens(os.Getenv("ISSUER"), os.Getenv("AUDIENCE"))
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		claims, err := verify(lines.Text())
		if err != nil {
			fmt.Println("refused")
			continue
		}
		fmt.Println("accepted", claims["sub"])
	}
}
