package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"math"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type signer = crypto.Signer

func derOf(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	return block.Bytes
}

const (
	notWho      = "request authenticate failure"
	notForOther = "request impersonation authentication failure"
)

// refusal: a question, and the code and text that istiod gives (facts: docs/protocols/csr-api.md).
type refusal struct {
	name string
	ask  func(c *Case, csr string) question
	code codes.Code
	text string // how the message begins; "" for any
}

func by(token string) func(*Case, string) question {
	return func(c *Case, csr string) question { return question{csr: csr, token: c.JWT[token]} }
}

func header(name, value string) func(*Case, string) question {
	return func(c *Case, csr string) question {
		return question{csr: csr, headers: []string{name, strings.ReplaceAll(value, "JWT", c.JWT["shop"])}}
	}
}

func impersonate(token, id string) func(*Case, string) question {
	return func(c *Case, csr string) question {
		return question{csr: csr, token: c.JWT[token], metadata: map[string]any{"ImpersonatedIdentity": id}}
	}
}

func csrIs(text string) func(*Case, string) question {
	return func(c *Case, _ string) question { return question{csr: text, token: c.JWT["shop"]} }
}

func csrMade(change func(csr string) string) func(*Case, string) question {
	return func(c *Case, csr string) question { return question{csr: change(csr), token: c.JWT["shop"]} }
}

func seconds(n int64) func(*Case, string) question {
	return func(c *Case, csr string) question { return question{csr: csr, token: c.JWT["shop"], validity: n} }
}

func wrongSignature(csr string) string {
	der := derOf(csr)
	der[len(der)-1] ^= 1
	return pemOf("CERTIFICATE REQUEST", der)
}

var refusals = []refusal{
	{"no token", func(c *Case, csr string) question { return question{csr: csr} }, codes.Unauthenticated, notWho},
	{"no token and no CSR: who comes first", func(*Case, string) question { return question{} }, codes.Unauthenticated, notWho},
	{"garbage for a token", header("authorization", "Bearer x.y.z"), codes.Unauthenticated, notWho},
	{"lower-case bearer", header("authorization", "bearer JWT"), codes.Unauthenticated, notWho},
	{"token without Bearer", header("authorization", "JWT"), codes.Unauthenticated, notWho},
	{"expired token", by("expired"), codes.Unauthenticated, notWho},
	{"token for another audience", by("audience"), codes.Unauthenticated, notWho},
	{"token of an unknown issuer", by("issuer"), codes.Unauthenticated, notWho},
	{"token signed by another key", by("stranger"), codes.Unauthenticated, notWho},
	{"token with alg none", by("none"), codes.Unauthenticated, notWho},
	{"token signed by HS256 with the public key", by("hs256"), codes.Unauthenticated, notWho},
	{"token without exp", by("eternal"), codes.Unauthenticated, notWho},
	{"sub of three parts, which panics istiod", by("sub3"), codes.Unauthenticated, notWho},
	{"join token that nobody made", header("authorization", "Bearer sgt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), codes.Unauthenticated, notWho},
	{"impersonation without the right", impersonate("shop", "spiffe://example.org/ns/db/sa/pg"), codes.Unauthenticated, notForOther},
	{"impersonation in another trust domain", impersonate("ztunnel", "spiffe://evil.example/ns/db/sa/pg"), codes.Unauthenticated, notForOther},
	{"impersonation of no SPIFFE ID", impersonate("ztunnel", "db/pg"), codes.Unauthenticated, notForOther},
	{"impersonation outside the pattern", impersonate("ztunnel", "spiffe://example.org/ns/db"), codes.Unauthenticated, notForOther},
	{"denied by policy", by("denied"), codes.PermissionDenied, "request denied by policy"},
	{"empty CSR", csrIs(""), codes.InvalidArgument, "CSR signing error ("},
	{"CSR that is no PEM", csrIs("hello"), codes.InvalidArgument, "CSR signing error ("},
	{"CSR that is no PKCS#10", csrIs(pemOf("CERTIFICATE REQUEST", []byte{0x30, 0})), codes.InvalidArgument, "CSR signing error ("},
	{"CSR with a wrong signature", csrMade(wrongSignature), codes.InvalidArgument, "CSR signing error ("},
	{"CSR with trailing bytes", csrMade(func(s string) string { return pemOf("CERTIFICATE REQUEST", append(derOf(s), 0)) }), codes.InvalidArgument, "CSR signing error ("},
	{"two PEM blocks", csrMade(func(s string) string { return s + s }), codes.InvalidArgument, "CSR signing error ("},
	{"P-521 key", func(c *Case, _ string) question {
		return question{csr: ztunnelCSR(newKey("p521"), c.id("web", "shop")), token: c.JWT["shop"]}
	}, codes.InvalidArgument, "CSR signing error ("},
	{"validity above the maximum", func(c *Case, csr string) question { return seconds(c.MaxTTL+3600)(c, csr) }, codes.InvalidArgument,
		"CSR signing error (requested TTL 2161h0m0s is greater than the max allowed TTL 2160h0m0s)"},
	{"validity that overflows Go's nanoseconds to 0.29 s", seconds(18446744074), codes.InvalidArgument, "CSR signing error (requested TTL "},
	{"validity that overflows to a negative", seconds(9223372037), codes.InvalidArgument, "CSR signing error (requested TTL "},
	{"validity of all ones", seconds(math.MaxInt64), codes.InvalidArgument, "CSR signing error (requested TTL "},
	{"unknown CertSigner", func(c *Case, csr string) question {
		return question{csr: csr, token: c.JWT["shop"], metadata: map[string]any{"CertSigner": "clusterissuers.example/none"}}
	}, codes.PermissionDenied, ""},
}

var refusalTests = append(tableOf(refusals), []test{
	{"refused: client certificate of another CA ends the handshake", foreignCertificate},
	{"refused: join token spent by another key", spentToken},
	{"refused: a message of 1 MiB", tooLarge},
	{"refused: unknown method", unknownMethod},
}...)

func tableOf(rows []refusal) (out []test) {
	for _, row := range rows {
		out = append(out, test{"refused: " + row.name, func(c *Case) error {
			csr := ztunnelCSR(newKey("p256"), c.id("web", "shop"))
			_, err := c.askOnce(row.ask(c, csr))
			return wanted(err, row.code, row.text)
		}})
	}
	return out
}

func wanted(err error, code codes.Code, text string) error {
	if err == nil {
		return fmt.Errorf("granted")
	}
	s := status.Convert(err)
	if s.Code() != code || !strings.HasPrefix(s.Message(), text) {
		return fmt.Errorf("got %v %q, want %v %q", s.Code(), s.Message(), code, text)
	}
	return nil
}

func foreignCertificate(c *Case) error {
	text, err := os.ReadFile(c.Foreign)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return err
	}
	config := c.tls()
	// Without this Go would not send a certificate of an issuer that the server does not name.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	conn := c.dial(config)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err = c.asShop(ctx, conn) // with a good token: it does not help
	return wanted(err, codes.Unavailable, "")
}

func spentToken(c *Case) error {
	token := c.joinToken()
	for i := range 2 {
		_, err := c.askOnce(question{csr: ztunnelCSR(newKey("p256"), c.JoinID), token: token})
		if i == 0 && err != nil {
			return err
		}
		if i == 1 {
			return wanted(err, codes.Unauthenticated, notWho)
		}
	}
	return nil
}

func tooLarge(c *Case) error {
	_, err := c.askOnce(question{csr: strings.Repeat("A", 1<<20), token: c.JWT["shop"]})
	if code := status.Code(err); code != codes.ResourceExhausted && code != codes.InvalidArgument {
		return fmt.Errorf("got %v", err)
	}
	return nil
}

func unknownMethod(c *Case) error {
	conn := c.dial(nil)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	for _, method := range []string{"/istio.v1.auth.IstioCertificateService/Nothing", "/no.such.Service/CreateCertificate"} {
		if err := wanted(conn.Invoke(ctx, method, &emptyMessage, &emptyMessage), codes.Unimplemented, ""); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
	}
	return c.works(conn)
}
