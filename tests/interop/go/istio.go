package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/credentialfetcher/plugin"
	"istio.io/istio/security/pkg/nodeagent/cache"
	"istio.io/istio/security/pkg/nodeagent/caclient/providers/citadel"
	pkiutil "istio.io/istio/security/pkg/pki/util"
)

// pilot-agent is a process around these packages: the token file, the CA client (TLS, retries, chain rules), the secret
// manager (key, CSR, rotation, files).  Here they are called as agent.go calls them.
var istioIssues = []test{
	{"istio secret manager: RSA-2048 by a service account token", func(c *Case) error { return agent(c, "rsa", "", "") }},
	{"istio secret manager: ECDSA P-256", func(c *Case) error { return agent(c, "p256", "ECDSA", "") }},
	{"istio secret manager: ECDSA P-384", func(c *Case) error { return agent(c, "p384", "ECDSA", "P384") }},
	{"istio secret manager: renewal by PROV_CERT without a token", agentRenewsItself},
	{"istio GenCSR: O= with a zero-length PrintableString, RSA-2048", istioCSR},
}

var istioTests = []test{
	{"istio citadel client: a refused token fails at once", agentRefused},
}

func agentOptions(c *Case, dir, signature, curve string) *security.Options {
	return &security.Options{
		CAEndpoint: c.Address, TrustDomain: c.TrustDomain, WorkloadNamespace: "web", ServiceAccount: "shop",
		WorkloadRSAKeySize: 2048, ECCSigAlg: signature, ECCCurve: curve, SecretTTL: 24 * time.Hour, ClusterID: "Kubernetes",
		SecretRotationGracePeriodRatio: 0.5, OutputKeyCertToDir: dir,
		// A host that contains "localhost" becomes istiod.istio-system.svc, by Istio's rule: so we must have that name too.
	}
}

// generate runs the agent's secret manager once and checks what Envoy would get.
func generate(c *Case, options *security.Options, tls *citadel.TLSOptions) error {
	client, err := citadel.NewCitadelClient(options, tls)
	if err != nil {
		return err
	}
	manager, err := cache.NewSecretManagerClient(client, options)
	if err != nil {
		return err
	}
	defer manager.Close()
	item, err := manager.GenerateSecret(security.WorkloadKeyCertResourceName)
	if err != nil {
		return err
	}
	anchors, err := manager.GenerateSecret(security.RootCertReqResourceName)
	if err != nil {
		return err
	}
	for _, root := range bytes.SplitAfter(bytes.TrimSpace(c.roots), []byte("-----END CERTIFICATE-----\n")) { // which it has sorted
		if !bytes.Contains(anchors.RootCert, bytes.TrimSpace(root)) {
			return errors.New("ROOTCA has not all of our roots")
		}
	}
	if left := time.Until(item.ExpireTime); left < 23*time.Hour || left > 25*time.Hour {
		return fmt.Errorf("expires in %v, SECRET_TTL is 24h", left)
	}
	return checkSecret(c, item)
}

// checkSecret checks key and chain as Envoy would load them.
func checkSecret(c *Case, item *security.SecretItem) error {
	pair, err := tls.X509KeyPair(item.CertificateChain, item.PrivateKey)
	if err != nil {
		return err
	}
	var chain []string
	for _, part := range strings.SplitAfter(string(item.CertificateChain), "-----END CERTIFICATE-----\n") {
		if strings.TrimSpace(part) != "" {
			chain = append(chain, part)
		}
	}
	bundle, err := certsOf(string(c.roots)) // the last element, which has been taken apart too
	if err != nil || len(chain) < len(bundle) {
		return fmt.Errorf("%d certificates, of which %d are roots: %v", len(chain), len(bundle), err)
	}
	above := len(chain) - len(bundle)
	chain = append(chain[:above], strings.Join(chain[above:], ""))
	_, err = checkAnswer(c, chain, pair.PrivateKey.(crypto.Signer), c.id("web", "shop"))
	return err
}

func agentDir(c *Case, name string) (string, error) {
	dir := filepath.Join(c.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// pilot-agent trims the token file; a projected token has no line end, a hand-made one often has.
	return dir, os.WriteFile(filepath.Join(dir, "istio-token"), []byte(c.JWT["shop"]+"\n"), 0o600)
}

func agent(c *Case, name, signature, curve string) error {
	dir, err := agentDir(c, "agent-"+name)
	if err != nil {
		return err
	}
	options := agentOptions(c, dir, signature, curve)
	options.CredFetcher = plugin.CreateTokenPlugin(filepath.Join(dir, "istio-token"))
	if err := generate(c, options, &citadel.TLSOptions{RootCert: c.RootsFile}); err != nil {
		return err
	}
	written, err := os.ReadFile(filepath.Join(dir, "cert-chain.pem"))
	if err != nil {
		return err
	}
	if certs, err := certsOf(string(written)); err != nil || len(certs) < 2 {
		return fmt.Errorf("OUTPUT_CERTS has %d certificates: %v", len(certs), err)
	}
	return nil
}

// agentRenewsItself: a VM gets its first certificate by token, and from then on lives on the previous certificate (PROV_CERT).
func agentRenewsItself(c *Case) error {
	if err := agent(c, "vm", "ECDSA", ""); err != nil {
		return err
	}
	dir := filepath.Join(c.Dir, "agent-vm")
	for range 3 {
		options := agentOptions(c, dir, "ECDSA", "")
		options.ProvCert = dir
		err := generate(c, options, &citadel.TLSOptions{
			RootCert: filepath.Join(dir, "root-cert.pem"),
			Cert:     filepath.Join(dir, "cert-chain.pem"),
			Key:      filepath.Join(dir, "key.pem"),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// agentRefused: UNAUTHENTICATED is not among the codes that Istio's client retries.
func agentRefused(c *Case) error {
	dir, err := agentDir(c, "agent-refused")
	if err != nil {
		return err
	}
	token := filepath.Join(dir, "istio-token")
	if err := os.WriteFile(token, []byte(c.JWT["expired"]), 0o600); err != nil {
		return err
	}
	options := agentOptions(c, dir, "ECDSA", "")
	options.CredFetcher = plugin.CreateTokenPlugin(token)
	begin := time.Now()
	err = generate(c, options, &citadel.TLSOptions{RootCert: c.RootsFile})
	if err == nil || !strings.Contains(err.Error(), "code = Unauthenticated desc = request authenticate failure") {
		return fmt.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		return fmt.Errorf("took %v", took)
	}
	return nil
}

func istioCSR(c *Case) error {
	csr, keyPEM, err := pkiutil.GenCSR(pkiutil.CertOptions{Host: c.id("web", "shop"), RSAKeySize: 2048})
	if err != nil {
		return err
	}
	parsed, err := pkiutil.ParsePemEncodedCSR(csr)
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(parsed.RawSubject, []byte{0x55, 0x04, 0x0a, 0x13, 0}) {
		return fmt.Errorf("Istio's subject is not what we think: %x", parsed.RawSubject)
	}
	key, err := pkiutil.ParsePemEncodedKey(keyPEM)
	if err != nil {
		return err
	}
	chain, err := c.askOnce(question{csr: string(csr), token: c.JWT["shop"], validity: 86400, metadata: map[string]any{"CertSigner": ""},
		headers: []string{"ClusterID", "Kubernetes"}})
	if err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, key.(crypto.Signer), c.id("web", "shop"))
	return err
}
