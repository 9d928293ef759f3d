package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// Mesh is a few workloads that know nothing but what answers told them: each renews with the certificate that it has, over TLS that it
// verifies by the roots of its last answer, and shakes hands with every other one after each renewal.
type Mesh struct {
	Case
	Identities []string `json:"identities"` // each with a join token
	Validity   int64    `json:"validity_s"`
	members    []*member
	broken     []error
	rounds     int
}

type member struct {
	id    string
	cert  tls.Certificate
	roots *x509.CertPool
	count int
}

func (m *member) config() *tls.Config {
	return &tls.Config{RootCAs: m.roots, Certificates: []tls.Certificate{m.cert}, MinVersion: tls.VersionTLS12}
}

func (mesh *Mesh) renew(m *member, token string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	config := mesh.tls()
	if token == "" {
		config = m.config()
	}
	conn := mesh.dial(config)
	defer conn.Close()
	key := newKey("p256")
	chain, err := ask(ctx, conn, question{csr: ztunnelCSR(key, m.id), token: token, validity: mesh.Validity})
	if err != nil {
		return fmt.Errorf("%s: %w", m.id, err)
	}
	return mesh.take(m, key, chain)
}

func (mesh *Mesh) take(m *member, key crypto.Signer, chain []string) error {
	anchors, err := certsOf(chain[len(chain)-1])
	if err != nil {
		return err
	}
	cert := tls.Certificate{PrivateKey: key}
	var certs []*x509.Certificate
	for _, element := range chain[:len(chain)-1] {
		one, err := certsOf(element)
		if err != nil || len(one) != 1 {
			return fmt.Errorf("%s: an element with %d certificates: %v", m.id, len(one), err)
		}
		certs = append(certs, one[0])
		cert.Certificate = append(cert.Certificate, one[0].Raw)
	}
	if err := anchored(certs[0], certs[1:], anchors); err != nil {
		return fmt.Errorf("%s: its own answer: %w", m.id, err)
	}
	mesh.mu.Lock()
	defer mesh.mu.Unlock()
	m.cert, m.roots, m.count = cert, pool(anchors), m.count+1
	for _, other := range mesh.members {
		if other == m || other.roots == nil {
			continue
		}
		if err := errors.Join(greet(m, other), greet(other, m)); err != nil {
			mesh.broken = append(mesh.broken, fmt.Errorf("%s and %s: %w", m.id, other.id, err))
		}
	}
	return nil
}

// greet is a mutual handshake as the proxies of a mesh have it: the chain by crypto/tls, the name by URI.
func greet(client, server *member) error {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{server.cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: server.roots})
	c := tls.Client(b, &tls.Config{Certificates: []tls.Certificate{client.cert}, InsecureSkipVerify: true, // names are not DNS names
		VerifyConnection: func(state tls.ConnectionState) error { return isPeer(state.PeerCertificates, client.roots, server.id) }})
	served := make(chan error, 1)
	go func() { served <- s.Handshake() }()
	err := c.Handshake()
	if err != nil {
		a.Close()
	}
	return errors.Join(err, <-served)
}

func isPeer(certs []*x509.Certificate, roots *x509.CertPool, id string) error {
	if len(certs[0].URIs) != 1 || certs[0].URIs[0].String() != id {
		return fmt.Errorf("is not %s", id)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: pool(certs[1:]), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

func (mesh *Mesh) live(m *member, over <-chan struct{}) error {
	half := time.Duration(mesh.Validity) * time.Second / 2
	for {
		select {
		case <-over:
			return nil
		case <-time.After(half/2 + rand.N(half/2)):
		}
		if err := mesh.renew(m, ""); err != nil {
			return err
		}
	}
}

// mesh runs until its standard input ends; a line "ROUND n" each time that everybody has renewed.
func mesh(path string) error {
	mesh := &Mesh{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, mesh)
	}
	if err == nil {
		mesh.roots, err = os.ReadFile(mesh.RootsFile)
	}
	if err != nil {
		return err
	}
	for i, id := range mesh.Identities {
		m := &member{id: id}
		if err := mesh.renew(m, mesh.Join[i]); err != nil {
			return err
		}
		mesh.members = append(mesh.members, m)
	}
	over, failed := make(chan struct{}), make([]error, len(mesh.members))
	var all sync.WaitGroup
	for i, m := range mesh.members {
		all.Add(1)
		go func() { defer all.Done(); failed[i] = mesh.live(m, over) }()
	}
	go mesh.tell(over)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
	}
	close(over)
	all.Wait()
	report("go workloads: each renews through the whole rotation", errors.Join(failed...))
	report("go workloads: each verifies each at every moment", errors.Join(mesh.broken...))
	return nil
}

func (mesh *Mesh) tell(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(100 * time.Millisecond):
		}
		mesh.mu.Lock()
		least := mesh.members[0].count
		for _, m := range mesh.members {
			least = min(least, m.count)
		}
		if least > mesh.rounds {
			mesh.rounds = least
			printing.Lock()
			fmt.Printf("ROUND %d\n", least)
			printing.Unlock()
		}
		mesh.mu.Unlock()
	}
}
