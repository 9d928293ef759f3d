package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// certsOf reads PEM that holds certificates and nothing else.
func certsOf(text string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	rest := []byte(text)
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) != 0 {
			return nil, fmt.Errorf("a PEM block %q", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, cert)
	}
	if len(bytes.TrimSpace(rest)) != 0 {
		return nil, errors.New("text after the last PEM block")
	}
	return out, nil
}

// shape is what pilot-agent (client.go, secretcache.go) and ztunnel (certificate.rs) demand of the list.
func shape(chain []string, roots []byte) (leaf *x509.Certificate, intermediates, anchors []*x509.Certificate, err error) {
	if len(chain) < 2 {
		return nil, nil, nil, fmt.Errorf("%d elements: both clients refuse less than two", len(chain))
	}
	for i, element := range chain[:len(chain)-1] {
		certs, err := certsOf(element)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("element %d: %w", i, err)
		}
		if len(certs) != 1 {
			return nil, nil, nil, fmt.Errorf("element %d holds %d certificates: ztunnel reads only the first", i, len(certs))
		}
		if !strings.HasSuffix(element, "\n") {
			return nil, nil, nil, fmt.Errorf("element %d has no line end: pilot-agent concatenates", i)
		}
		intermediates = append(intermediates, certs[0])
	}
	if anchors, err = certsOf(chain[len(chain)-1]); err != nil || len(anchors) == 0 {
		return nil, nil, nil, fmt.Errorf("the last element is no root bundle: %v", err)
	}
	want, err := certsOf(string(roots))
	if err != nil {
		return nil, nil, nil, err
	}
	if !slices.EqualFunc(anchors, want, func(a, b *x509.Certificate) bool { return a.Equal(b) }) {
		return nil, nil, nil, errors.New("the last element is not the root bundle")
	}
	return intermediates[0], intermediates[1:], anchors, nil
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

// profile checks what a workload certificate holds, and that it holds no more.  A signer that copies the subject of a CSR copies
// Istio's `O=` without a value.
func profile(leaf *x509.Certificate, id string, copied bool) error {
	valued := func(n pkix.AttributeTypeAndValue) bool { return n.Value != "" }
	switch {
	case len(leaf.URIs) != 1 || leaf.URIs[0].String() != id:
		return fmt.Errorf("URIs %v, want exactly %s", leaf.URIs, id)
	case len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.EmailAddresses) != 0:
		return fmt.Errorf("names that nobody granted: %v %v", leaf.DNSNames, leaf.IPAddresses)
	case len(leaf.Subject.Names) != 0 && (!copied || slices.ContainsFunc(leaf.Subject.Names, valued)):
		return fmt.Errorf("subject %v", leaf.Subject)
	case leaf.IsCA || !leaf.BasicConstraintsValid:
		return errors.New("basic constraints are not CA:FALSE")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return fmt.Errorf("key usage %b", leaf.KeyUsage)
	case (leaf.KeyUsage&x509.KeyUsageKeyEncipherment != 0) != (leaf.PublicKeyAlgorithm == x509.RSA):
		return fmt.Errorf("key usage %b for %v: keyEncipherment is for RSA (RFC 8813)", leaf.KeyUsage, leaf.PublicKeyAlgorithm)
	case len(leaf.ExtKeyUsage) != 2 || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) ||
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || len(leaf.UnknownExtKeyUsage) != 0:
		return fmt.Errorf("extended key usage %v", leaf.ExtKeyUsage)
	case leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() > 159 || leaf.SerialNumber.BitLen() < 80:
		return fmt.Errorf("serial %x", leaf.SerialNumber)
	case time.Until(leaf.NotBefore) > 0 || time.Until(leaf.NotAfter) < 0:
		return fmt.Errorf("valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
	case len(leaf.UnhandledCriticalExtensions) != 0:
		return fmt.Errorf("critical extensions that Go does not know: %v", leaf.UnhandledCriticalExtensions)
	}
	return nil
}

// anchored verifies for both uses; Go asks for one of KeyUsages, so one at a time.
func anchored(leaf *x509.Certificate, intermediates, anchors []*x509.Certificate) error {
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: pool(anchors), Intermediates: pool(intermediates), KeyUsages: []x509.ExtKeyUsage{use}})
		if err != nil {
			return err
		}
	}
	return nil
}

type publicKey interface{ Equal(crypto.PublicKey) bool }

// checkAnswer holds an answer to everything above and gives its leaf.
func checkAnswer(c *Case, chain []string, key crypto.Signer, id string) (*x509.Certificate, error) {
	leaf, intermediates, anchors, err := shape(chain, c.roots)
	if err != nil {
		return nil, err
	}
	if !key.Public().(publicKey).Equal(leaf.PublicKey) {
		return nil, errors.New("the certificate is for another key")
	}
	if err := profile(leaf, id, c.Copied); err != nil {
		return nil, err
	}
	return leaf, anchored(leaf, intermediates, anchors)
}

// identity is what a client presents in mTLS: all elements, as pilot-agent writes them to cert-chain.pem.
func identity(chain []string, key crypto.Signer) (tls.Certificate, error) {
	out := tls.Certificate{PrivateKey: key}
	certs, err := certsOf(strings.Join(chain, ""))
	for _, cert := range certs {
		out.Certificate = append(out.Certificate, cert.Raw)
	}
	return out, err
}
