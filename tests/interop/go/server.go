package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	pb "istio.io/api/security/v1alpha1"
	pkiutil "istio.io/istio/security/pkg/pki/util"
)

// The other way round: `signet request` against a server that others wrote, a grpc-go server that signs with Istio's own
// template (security/pkg/pki/util).  The token says how it should behave; want is the exit status of the command.
var serverTests = []struct {
	token, says string
	want        int
	arguments   []string
}{
	{"good", "", 0, nil},
	{"good", "", 0, []string{"--key-type", "p384"}},
	{"good", "", 0, []string{"--key-type", "ed25519"}},
	{"good", "", 0, []string{"--key-type", "rsa2048"}},
	{"plugged", "", 0, nil},
	{"chatty", "", 0, nil},
	{"refuse", "request authenticate failure", 1, nil},
	{"other-key", "", 1, nil},
	{"other-root", "", 1, nil},
	{"two-ids", "", 1, nil},
	{"alone", "", 1, nil},
	{"empty", "", 1, nil},
	{"garbage", "", 1, nil},
	{"slow", "", 3, []string{"--timeout", "1s"}},
}

// authority is a CA made by Istio's code: root, and an intermediate as a plugged-in CA has it.
type authority struct {
	pb.UnimplementedIstioCertificateServiceServer
	root, intermediate       *x509.Certificate
	rootPEM, intermediatePEM []byte
	rootKey, intermediateKey crypto.PrivateKey
	stranger                 *authority
}

func newAuthority() (*authority, error) {
	a := &authority{}
	base := pkiutil.CertOptions{TTL: time.Hour, Org: "example.org", IsCA: true, ECSigAlg: pkiutil.EcdsaSigAlg, PKCS8Key: true}
	root := base
	root.IsSelfSigned = true
	var keyPEM []byte
	var err error
	if a.rootPEM, keyPEM, err = pkiutil.GenCertKeyFromOptions(root); err != nil {
		return nil, err
	}
	if a.root, a.rootKey, err = parsePair(a.rootPEM, keyPEM); err != nil {
		return nil, err
	}
	between := base
	between.Org, between.SignerCert, between.SignerPriv = "example.org intermediate", a.root, a.rootKey
	if a.intermediatePEM, keyPEM, err = pkiutil.GenCertKeyFromOptions(between); err != nil {
		return nil, err
	}
	a.intermediate, a.intermediateKey, err = parsePair(a.intermediatePEM, keyPEM)
	return a, err
}

func parsePair(cert, key []byte) (*x509.Certificate, crypto.PrivateKey, error) {
	c, err := pkiutil.ParsePemEncodedCertificate(cert)
	if err != nil {
		return nil, nil, err
	}
	k, err := pkiutil.ParsePemEncodedKey(key)
	return c, k, err
}

// leaf signs as istiod does (GenCertFromCSR), for these names.
func (a *authority) leaf(csr *x509.CertificateRequest, key any, plugged bool, ids ...string) string {
	signer, signerKey := a.root, a.rootKey
	if plugged {
		signer, signerKey = a.intermediate, a.intermediateKey
	}
	der, err := pkiutil.GenCertFromCSR(csr, signer, key, signerKey, ids, time.Hour, false)
	if err != nil {
		panic(err)
	}
	return pemOf("CERTIFICATE", der)
}

func (a *authority) CreateCertificate(ctx context.Context, q *pb.IstioCertificateRequest) (*pb.IstioCertificateResponse, error) {
	const id = "spiffe://example.org/ns/web/sa/shop"
	fields, _ := metadata.FromIncomingContext(ctx)
	mode := strings.TrimPrefix(strings.Join(fields.Get("authorization"), ","), "Bearer ")
	csr, err := pkiutil.ParsePemEncodedCSR([]byte(q.Csr))
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "CSR signing error (%v)", err)
	}
	good := a.leaf(csr, csr.PublicKey, false, id)
	answers := map[string][]string{
		"good":       {good, string(a.rootPEM)},
		"chatty":     {good, string(a.rootPEM)},
		"slow":       {good, string(a.rootPEM)},
		"plugged":    {a.leaf(csr, csr.PublicKey, true, id), string(a.intermediatePEM), string(a.rootPEM)},
		"other-key":  {a.leaf(csr, newKey("p256").Public(), false, id), string(a.rootPEM)},
		"other-root": {a.stranger.leaf(csr, csr.PublicKey, false, id), string(a.rootPEM)},
		"two-ids":    {a.leaf(csr, csr.PublicKey, false, id, "spiffe://example.org/ns/web/sa/other"), string(a.rootPEM)},
		"alone":      {good},
		"empty":      {},
		"garbage":    {"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", string(a.rootPEM)},
	}
	chain, known := answers[mode]
	if !known {
		return nil, status.Error(codes.Unauthenticated, notWho)
	}
	switch mode {
	case "slow":
		<-ctx.Done()
		time.Sleep(time.Second) // grpc-go cancels the stream at the deadline; an answer in the same moment might pass it
	case "chatty": // much more header and trailer than a client needs
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-long", strings.Repeat("h", 6000)))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("x-long", strings.Repeat("t", 6000)))
	}
	return &pb.IstioCertificateResponse{CertChain: chain}, nil
}

// serve runs such a server and the command against it; dir is scratch.
func serve(command, dir string) error {
	a, err := newAuthority()
	if err != nil {
		return err
	}
	if a.stranger, err = newAuthority(); err != nil {
		return err
	}
	chain, key, err := pkiutil.GenCertKeyFromOptions(pkiutil.CertOptions{Host: "localhost", TTL: time.Hour, IsServer: true,
		ECSigAlg: pkiutil.EcdsaSigAlg, PKCS8Key: true, SignerCert: a.root, SignerPriv: a.rootKey})
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven})))
	pb.RegisterIstioCertificateServiceServer(server, a)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	address := fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	for i, t := range serverTests {
		name := fmt.Sprintf("signet request to a grpc-go server: %s", strings.Join(append([]string{t.token}, t.arguments...), " "))
		report(name, a.request(command, address, filepath.Join(dir, fmt.Sprint("request-", i)), t.token, t.says, t.want, t.arguments))
	}
	return nil
}

func (a *authority) request(command, address, dir, token, says string, want int, arguments []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	out := filepath.Join(dir, "out")
	for name, text := range map[string][]byte{"token": []byte(token), "root.pem": a.rootPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	// The configuration is not there: with server, roots and credential the command needs none.
	cmd := exec.CommandContext(ctx, command, append([]string{"request", "--config", "/nonexistent", "--server", address,
		"--ca", filepath.Join(dir, "root.pem"), "--jwt-file", filepath.Join(dir, "token"), "--out-dir", out}, arguments...)...)
	text, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(string(text), says) {
		return fmt.Errorf("exit status %d, want %d: %s (%v)", code, want, text, err)
	}
	_, err = os.Stat(filepath.Join(out, "cert-chain.pem"))
	if want != 0 {
		if err == nil {
			return errors.New("wrote a certificate all the same")
		}
		return nil
	}
	return a.written(out)
}

// written: what the command wrote is a key and a chain that fit, and the key is nobody else's to read.
func (a *authority) written(dir string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert-chain.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, "key.pem"))
	if err != nil {
		return err
	}
	if info.Mode().Perm() != 0o600 {
		return fmt.Errorf("key.pem has mode %o", info.Mode().Perm())
	}
	roots, err := os.ReadFile(filepath.Join(dir, "root-cert.pem"))
	if err != nil {
		return err
	}
	anchors, err := certsOf(string(roots))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(anchors, a.root.Equal) {
		return errors.New("root-cert.pem has not the server's root")
	}
	var between []*x509.Certificate
	for _, der := range pair.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		between = append(between, cert)
	}
	return anchored(pair.Leaf, between, anchors)
}
