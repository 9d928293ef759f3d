// What Go programs make of Signet: Istio's own client, grpc-go, crypto/x509, go-spiffe, zlint.
//
//	interop client CASE.json   clients against a running daemon
//	interop verify DIR         verifiers over the certificates of DIR (one directory each)
//	interop mesh CASE.json     workloads that renew and greet each other until standard input ends
//	interop server SIGNET DIR  a server of the CSR API, and the command SIGNET as its client; DIR is scratch
//	interop ra CASE.json       clients against a daemon whose certificates another signer signs (tests/kube)
//
// A line for each test, "PASS name" or "FAIL name: why"; the caller counts them.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"istio.io/istio/pkg/log"
)

// Case is what tests/interop/interop.py tells us of the daemon it started.
type Case struct {
	Address     string            `json:"address"` // host:port; the host is one of tls.names
	TrustDomain string            `json:"trust_domain"`
	RootsFile   string            `json:"roots_file"`
	Dir         string            `json:"dir"`       // scratch
	JWT         map[string]string `json:"jwt"`       // name -> token
	Join        []string          `json:"join"`      // unspent join tokens
	JoinID      string            `json:"join_id"`   // what they are bound to
	Foreign     string            `json:"foreign"`   // PEM file: chain and key of another CA with the same trust domain
	MaxTTL      int64             `json:"max_ttl_s"` // cert.max_lifetime
	Copied      bool              // the signer copies the CSR's subject
	roots       []byte
	mu          sync.Mutex
}

const testTimeout = 90 * time.Second

type test struct {
	name string
	run  func(*Case) error
}

var printing sync.Mutex

func report(name string, err error) {
	printing.Lock()
	defer printing.Unlock()
	if err != nil {
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; ")) // errors.Join: one a line
	} else {
		fmt.Printf("PASS %s\n", name)
	}
}

func runOne(t test, c *Case) {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- t.run(c)
	}()
	select {
	case err := <-done:
		report(t.name, err)
	case <-time.After(testTimeout):
		report(t.name, fmt.Errorf("no end after %v", testTimeout))
	}
}

// joinToken takes one that nobody has spent.
func (c *Case) joinToken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.Join) == 0 {
		panic("the case has too few join tokens")
	}
	t := c.Join[0]
	c.Join = c.Join[1:]
	return t
}

func (c *Case) id(ns, sa string) string {
	return fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", c.TrustDomain, ns, sa)
}

func readCase(path string) (*Case, error) {
	c := &Case{}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, err
	}
	c.roots, err = os.ReadFile(c.RootsFile)
	return c, err
}

// raTests need no more than the token of web/shop, and roots_file with the signer's root too.
var raTests = slices.Concat(istioIssues, keyTests)

func ra(path string) error {
	c, err := readCase(path)
	if err != nil {
		return err
	}
	c.Copied = true
	for _, t := range raTests {
		runOne(t, c)
	}
	return nil
}

func client(path string) error {
	c, err := readCase(path)
	if err != nil {
		return err
	}
	// Waits most of the time, so beside the others; the rest one after another, to be read easily.
	var slow sync.WaitGroup
	for _, t := range slowTests {
		slow.Add(1)
		go func() { defer slow.Done(); runOne(t, c) }()
	}
	for _, group := range [][]test{istioIssues, istioTests, csrTests, keyTests, refusalTests, grpcTests, rawTests, reflectionTests} {
		for _, t := range group {
			runOne(t, c)
		}
	}
	slow.Wait()
	return nil
}

func main() {
	options := log.DefaultOptions() // Istio's packages would log into our output
	options.OutputPaths = []string{"stderr"}
	_ = log.Configure(options)
	run := map[string]func([]string) error{
		"client": func(a []string) error { return client(a[0]) },
		"mesh":   func(a []string) error { return mesh(a[0]) },
		"verify": func(a []string) error { return verify(a[0]) },
		"server": func(a []string) error { return serve(a[0], a[1]) },
		"ra":     func(a []string) error { return ra(a[0]) },
	}
	operands := map[string]int{"client": 1, "mesh": 1, "verify": 1, "server": 2, "ra": 1}
	if len(os.Args) < 2 || run[os.Args[1]] == nil || len(os.Args) != 2+operands[os.Args[1]] {
		fmt.Fprintln(os.Stderr, "usage: interop client CASE.json | interop mesh CASE.json | interop verify DIR | interop server SIGNET DIR | interop ra CASE.json")
		os.Exit(2)
	}
	if err := run[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Printf("FAIL go %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
