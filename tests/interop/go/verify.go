package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// sample is one directory of tests/interop/interop.py: ROOT-KEY/{leaf,chain,key,roots,stranger}.pem, id; chain: the leaf, then those
// between it and its root
type sample struct {
	name, dir                         string
	leaf, chain, key, roots, stranger []byte
	id                                string
}

func samples(dir string) ([]sample, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*", "leaf.pem"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no certificates in %s: %v", dir, err)
	}
	sort.Strings(names)
	var out []sample
	for _, name := range names {
		at := filepath.Dir(name)
		s := sample{name: filepath.Base(at), dir: at}
		var id []byte
		for file, to := range map[string]*[]byte{"leaf.pem": &s.leaf, "chain.pem": &s.chain, "key.pem": &s.key, "roots.pem": &s.roots, "stranger.pem": &s.stranger, "id": &id} {
			if *to, err = os.ReadFile(filepath.Join(at, file)); err != nil {
				return nil, err
			}
		}
		s.id = strings.TrimSpace(string(id))
		out = append(out, s)
	}
	return out, nil
}

// verify runs each verifier over all samples, a line for each verifier and root algorithm.
func verify(dir string) error {
	all, err := samples(dir)
	if err != nil {
		return err
	}
	verifiers := []struct {
		name string
		run  func(sample) error
	}{
		{"crypto/x509", goVerify}, {"crypto/x509 CRL", func(s sample) error { return crlVerify(s.dir) }},
		{"go-spiffe", spiffeVerify}, {"go-spiffe mTLS", spiffeHandshake}, {"zlint", zlintAll},
	}
	for _, v := range verifiers {
		byRoot := map[string][]error{}
		var roots []string
		for _, s := range all {
			root, _, _ := strings.Cut(s.name, "-")
			if !slices.Contains(roots, root) {
				roots = append(roots, root)
			}
			if err := v.run(s); err != nil {
				byRoot[root] = append(byRoot[root], fmt.Errorf("%s: %w", s.name, err))
			}
		}
		for _, root := range roots {
			report(fmt.Sprintf("%s: certificates of a %s root", v.name, root), errors.Join(byRoot[root]...))
		}
	}
	return nil
}

func goVerify(s sample) error {
	chain, err := certsOf(string(s.chain))
	if err != nil {
		return err
	}
	anchors, err := certsOf(string(s.roots))
	if err != nil {
		return err
	}
	strangers, err := certsOf(string(s.stranger))
	if err != nil {
		return err
	}
	if err := profile(chain[0], s.id, false); err != nil {
		return err
	}
	if err := anchored(chain[0], chain[1:], strangers); err == nil {
		return errors.New("verifies under another root")
	}
	if _, err := tls.X509KeyPair(s.chain, s.key); err != nil {
		return err
	}
	return anchored(chain[0], chain[1:], anchors)
}

func spiffeLoad(s sample) (*x509svid.SVID, *x509bundle.Bundle, spiffeid.ID, error) {
	id, err := spiffeid.FromString(s.id)
	if err != nil {
		return nil, nil, id, err
	}
	svid, err := x509svid.Parse(s.chain, s.key)
	if err != nil {
		return nil, nil, id, err
	}
	bundle, err := x509bundle.Parse(id.TrustDomain(), s.roots)
	return svid, bundle, id, err
}

func spiffeVerify(s sample) error {
	svid, bundle, id, err := spiffeLoad(s)
	if err != nil {
		return err
	}
	if svid.ID != id {
		return fmt.Errorf("SPIFFE ID %v", svid.ID)
	}
	got, chains, err := x509svid.Verify(svid.Certificates, bundle)
	if err != nil || got != id || len(chains) != 1 {
		return fmt.Errorf("%v, %d chains: %w", got, len(chains), err)
	}
	other, err := x509bundle.Parse(id.TrustDomain(), s.stranger)
	if err != nil {
		return err
	}
	if _, _, err := x509svid.Verify(svid.Certificates, other); err == nil {
		return errors.New("verifies under another bundle")
	}
	return nil
}

// spiffeHandshake: two workloads with this certificate talk to each other.
func spiffeHandshake(s sample) error {
	svid, bundle, id, err := spiffeLoad(s)
	if err != nil {
		return err
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := tls.Server(a, tlsconfig.MTLSServerConfig(svid, bundle, tlsconfig.AuthorizeID(id)))
	client := tls.Client(b, tlsconfig.MTLSClientConfig(svid, bundle, tlsconfig.AuthorizeID(id)))
	served := make(chan error, 1)
	go func() { served <- server.Handshake() }()
	return errors.Join(client.Handshake(), <-served)
}

// What rules for the public web ask and a SPIFFE certificate cannot have (docs/interop.md); nil: any leaf.
var webOnly = map[string]func(root, key string) bool{
	uriInSAN:                 nil,
	"e_sub_cert_aia_missing": nil,
	"e_sub_cert_aia_does_not_contain_ocsp_url":       nil,
	"w_sub_cert_aia_does_not_contain_issuing_ca_url": nil,
	"e_sub_cert_cert_policy_empty":                   nil,
	"e_sub_cert_certificate_policies_missing":        nil,
	"w_ct_sct_policy_count_unsatisfied":              nil,
	"e_algorithm_identifier_improper_encoding":       func(_, key string) bool { return key == "ed25519" },
	"e_signature_algorithm_not_supported":            func(root, _ string) bool { return root == "ed25519" },
}

const uriInSAN = "e_ext_san_uniform_resource_identifier_present"

func (f finding) expected(s sample) bool {
	root, key, _ := strings.Cut(s.name, "-")
	when, known := webOnly[f.name]
	return f.web && known && (when == nil || when(root, key))
}

func zlintAll(s sample) error {
	leaf, err := findings(s.leaf)
	if err != nil {
		return err
	}
	root, err := findings(s.roots)
	if err != nil {
		return err
	}
	var bad []error
	for _, f := range leaf {
		if !f.expected(s) {
			bad = append(bad, fmt.Errorf("leaf: %s", f.name))
		}
	}
	for _, f := range root {
		if !f.web && !strings.HasPrefix(s.name, "brought") { // that root is not ours
			bad = append(bad, fmt.Errorf("root: %s", f.name))
		}
	}
	if !slices.ContainsFunc(leaf, func(f finding) bool { return f.name == uriInSAN }) {
		bad = append(bad, errors.New("the lints did not run"))
	}
	return errors.Join(bad...)
}

type finding struct {
	name string
	web  bool // of rules for the public web or public e-mail, not of an RFC
}

func findings(pem []byte) ([]finding, error) {
	cert, err := certsOf(string(pem))
	if err != nil {
		return nil, err
	}
	parsed, err := zx509.ParseCertificate(cert[0].Raw)
	if err != nil {
		return nil, err
	}
	web := []lint.LintSource{lint.CABFBaselineRequirements, lint.CABFEVGuidelines, lint.CABFSMIMEBaselineRequirements,
		lint.MozillaRootStorePolicy, lint.AppleRootStorePolicy, lint.EtsiEsi}
	var out []finding
	for name, result := range zlint.LintCertificate(parsed).Results {
		if result.Status > lint.Pass { // notice, warning, error, fatal
			l := lint.GlobalRegistry().CertificateLints().ByName(name)
			out = append(out, finding{name, l != nil && slices.Contains(web, l.Source)})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, nil
}
