// A service that asks the gate itself, by its Unix socket. Arguments: its address, and the path of the socket.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

type claims struct {
	Subject string `json:"sub"`
	Scope   string `json:"scope"`
}

var gate *http.Client

func newGate(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DialContext: dial}}
}

// guarded calls next with the claims of the token, or responds with the refusal of the gate.
func guarded(scopes []string, next func(http.ResponseWriter, *http.Request, claims)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" || len(r.Header["Authorization"]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := json.Marshal(map[string]any{"token": token, "scopes": scopes, "audiences": []string{"prices"}})
		answer, err := gate.Post("http://gate/check", "application/json", bytes.NewReader(body))
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			for _, name := range []string{"WWW-Authenticate", "Content-Type", "Retry-After"} {
				if value := answer.Header.Get(name); value != "" {
					w.Header().Set(name, value)
				}
			}
			w.WriteHeader(answer.StatusCode)
			io.Copy(w, answer.Body)
			return
		}
		var accepted struct {
			Claims claims `json:"claims"`
		}
		if json.NewDecoder(answer.Body).Decode(&accepted) != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next(w, r, accepted.Claims)
	}
}

func main() {
	gate = newGate(os.Args[2])
	http.HandleFunc("/prices", guarded([]string{"prices:read"}, func(w http.ResponseWriter, _ *http.Request, c claims) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"subject": c.Subject, "EUR": 1})
	}))
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", listener.Addr())
	panic(http.Serve(listener, nil))
}
