package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func oneBlock(dir, name, label string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != label || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%s is not one %s", name, label)
	}
	return block.Bytes, nil
}

func oneCert(dir, name string) (*x509.Certificate, error) {
	der, err := oneBlock(dir, name, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// crlVerify: crl.pem is the issuer's, now, names revoked.pem with its reason, and not leaf.pem.
func crlVerify(dir string) error {
	der, err := oneBlock(dir, "crl.pem", "X509 CRL")
	if err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	certs := map[string]*x509.Certificate{}
	for _, name := range []string{"issuer.pem", "leaf.pem", "revoked.pem"} {
		if certs[name], err = oneCert(dir, name); err != nil {
			return err
		}
	}
	issuer := certs["issuer.pem"]
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return err
	}
	if !bytes.Equal(list.AuthorityKeyId, issuer.SubjectKeyId) || list.Number == nil || list.Number.Sign() <= 0 {
		return errors.New("key identifier or number")
	}
	if now := time.Now(); now.Before(list.ThisUpdate) || !now.Before(list.NextUpdate) {
		return fmt.Errorf("not of now: %v to %v", list.ThisUpdate, list.NextUpdate)
	}
	named := false
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(certs["leaf.pem"].SerialNumber) == 0 {
			return errors.New("names a certificate that is not revoked")
		}
		if entry.SerialNumber.Cmp(certs["revoked.pem"].SerialNumber) == 0 {
			named = entry.ReasonCode == 1 // keyCompromise
		}
	}
	if !named {
		return errors.New("does not name the revoked certificate with its reason")
	}
	return nil
}
