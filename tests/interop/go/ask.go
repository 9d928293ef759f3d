package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/types/known/structpb"
	pb "istio.io/api/security/v1alpha1"
)

const callTimeout = 20 * time.Second

func newKey(kind string) crypto.Signer {
	var key crypto.Signer
	var err error
	switch kind {
	case "p256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "rsa2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		panic("no such key: " + kind)
	}
	if err != nil {
		panic(err)
	}
	return key
}

func pemOf(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// ztunnelCSR is what ztunnel's csr.rs makes: an empty subject and one critical SAN with the URI.
func ztunnelCSR(key crypto.Signer, id string) string {
	san, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(id)}})
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		RawSubject:      []byte{0x30, 0},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: san}},
	}, key)
	if err != nil {
		panic(err)
	}
	return pemOf("CERTIFICATE REQUEST", der)
}

// counter counts connections, so that a test sees one that was closed and dialled again.
type counter struct{ begun atomic.Int32 }

func (*counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*counter) HandleRPC(context.Context, stats.RPCStats)                         {}
func (*counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (n *counter) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		n.begun.Add(1)
	}
}

func (c *Case) tls() *tls.Config {
	anchors, err := certsOf(string(c.roots))
	if err != nil {
		panic(err)
	}
	return &tls.Config{RootCAs: pool(anchors), MinVersion: tls.VersionTLS12}
}

func (c *Case) dial(config *tls.Config, options ...grpc.DialOption) *grpc.ClientConn {
	if config == nil {
		config = c.tls()
	}
	// As Istio's grpc.Dial: the default, "dns", also asks a name server for a TXT record, which may take its time.
	conn, err := grpc.NewClient("passthrough:///"+c.Address, append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))...)
	if err != nil {
		panic(err)
	}
	return conn
}

// question is one CreateCertificate; zero values are left out.
type question struct {
	csr      string
	token    string
	validity int64
	metadata map[string]any
	headers  []string // name, value, ...
}

func ask(ctx context.Context, conn *grpc.ClientConn, q question, options ...grpc.CallOption) ([]string, error) {
	if q.token != "" {
		q.headers = append(q.headers, "authorization", "Bearer "+q.token)
	}
	request := &pb.IstioCertificateRequest{Csr: q.csr, ValidityDuration: q.validity}
	if q.metadata != nil {
		var err error
		if request.Metadata, err = structpb.NewStruct(q.metadata); err != nil {
			return nil, err
		}
	}
	response, err := pb.NewIstioCertificateServiceClient(conn).CreateCertificate(
		metadata.AppendToOutgoingContext(ctx, q.headers...), request, options...)
	if err != nil {
		return nil, err
	}
	return response.CertChain, nil
}

func (c *Case) askOnce(q question) ([]string, error) {
	conn := c.dial(nil)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return ask(ctx, conn, q)
}

// asShop asks over conn by the token of service account shop, with a fresh key, and checks the answer.
func (c *Case) asShop(ctx context.Context, conn *grpc.ClientConn, options ...grpc.CallOption) (*x509.Certificate, error) {
	key := newKey("p256")
	chain, err := ask(ctx, conn, question{csr: ztunnelCSR(key, c.id("web", "shop")), token: c.JWT["shop"]}, options...)
	if err != nil {
		return nil, err
	}
	return checkAnswer(c, chain, key, c.id("web", "shop"))
}

func (c *Case) works(conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if _, err := c.asShop(ctx, conn); err != nil {
		return fmt.Errorf("the connection is of no use afterwards: %w", err)
	}
	return nil
}
