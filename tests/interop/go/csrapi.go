package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"time"
)

var csrTests = []test{
	{"csr api: join token", joinToken},
	{"csr api: same join token and same key again, same certificate", joinRetry},
	{"csr api: mTLS renewal, again and again", renewal},
	{"csr api: a client certificate goes before the token", certificateWins},
	{"csr api: any PEM label", anyLabel},
	{"csr api: validity is seconds, 0 and less is the default", validity},
	{"csr api: ztunnel asks for its pods (ImpersonatedIdentity)", impersonation},
	{"csr api: unknown metadata, metadata of other types", strangeMetadata},
}

var keyTests = []test{
	{"csr api: ztunnel's CSR (empty subject, critical SAN)", func(c *Case) error { return oneKey(c, "p256") }},
	{"csr api: P-384 key", func(c *Case) error { return oneKey(c, "p384") }},
	{"csr api: Ed25519 key", func(c *Case) error { return oneKey(c, "ed25519") }},
	{"csr api: RSA-2048 key", func(c *Case) error { return oneKey(c, "rsa2048") }},
}

func oneKey(c *Case, kind string) error {
	key := newKey(kind)
	chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.id("web", "shop")), token: c.JWT["shop"]})
	if err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, key, c.id("web", "shop"))
	return err
}

func joinToken(c *Case) error {
	key := newKey("p256")
	// The names of the CSR count for nothing: the token is bound to its own.
	chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.id("kube-system", "admin")), token: c.joinToken()})
	if err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, key, c.JoinID)
	return err
}

func joinRetry(c *Case) error {
	key, token := newKey("p256"), c.joinToken()
	var serials []string
	for range 2 {
		chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.JoinID), token: token})
		if err != nil {
			return err
		}
		leaf, err := checkAnswer(c, chain, key, c.JoinID)
		if err != nil {
			return err
		}
		serials = append(serials, leaf.SerialNumber.String())
	}
	if serials[0] != serials[1] {
		return fmt.Errorf("two certificates for one token: %v", serials)
	}
	return nil
}

func renewal(c *Case) error {
	key := newKey("p256")
	chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.JoinID), token: c.joinToken()})
	for i := 0; err == nil && i < 3; i++ {
		if chain, err = renewOnce(c, chain, &key); err != nil {
			return fmt.Errorf("renewal %d: %w", i+1, err)
		}
	}
	return err
}

func renewOnce(c *Case, chain []string, key *signer) ([]string, error) {
	mine, err := identity(chain, *key)
	if err != nil {
		return nil, err
	}
	config := c.tls()
	config.Certificates = []tls.Certificate{mine}
	conn := c.dial(config)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	*key = newKey("p256")
	if chain, err = ask(ctx, conn, question{csr: ztunnelCSR(*key, c.JoinID)}); err != nil {
		return nil, err
	}
	_, err = checkAnswer(c, chain, *key, c.JoinID)
	return chain, err
}

// certificateWins: istiod tries the client certificate first; a token for somebody else then counts for nothing.
func certificateWins(c *Case) error {
	key := newKey("p256")
	chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.JoinID), token: c.joinToken()})
	if err != nil {
		return err
	}
	mine, err := identity(chain, key)
	if err != nil {
		return err
	}
	config := c.tls()
	config.Certificates = []tls.Certificate{mine}
	conn := c.dial(config)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	next := newKey("p256")
	if chain, err = ask(ctx, conn, question{csr: ztunnelCSR(next, c.id("web", "shop")), token: c.JWT["shop"]}); err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, next, c.JoinID)
	return err
}

func anyLabel(c *Case) error {
	key := newKey("p256")
	csr := pemOf("NEW CERTIFICATE REQUEST", derOf(ztunnelCSR(key, c.id("web", "shop"))))
	chain, err := c.askOnce(question{csr: csr, token: c.JWT["shop"]})
	if err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, key, c.id("web", "shop"))
	return err
}

func validity(c *Case) error {
	for _, row := range []struct {
		ask  int64
		want time.Duration
	}{{0, 24 * time.Hour}, {-1, 24 * time.Hour}, {math.MinInt64, 24 * time.Hour}, {3600, time.Hour}, {86400, 24 * time.Hour},
		{c.MaxTTL, time.Duration(c.MaxTTL) * time.Second}} {
		key := newKey("p256")
		chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.id("web", "shop")), token: c.JWT["shop"], validity: row.ask})
		if err != nil {
			return fmt.Errorf("%d s: %w", row.ask, err)
		}
		leaf, err := checkAnswer(c, chain, key, c.id("web", "shop"))
		if err != nil {
			return fmt.Errorf("%d s: %w", row.ask, err)
		}
		if off := time.Until(leaf.NotAfter) - row.want; off > time.Minute || off < -time.Minute {
			return fmt.Errorf("%d s asked, %v given", row.ask, time.Until(leaf.NotAfter))
		}
		if back := time.Since(leaf.NotBefore); back < 90*time.Second || back > 3*time.Minute {
			return fmt.Errorf("begins %v ago, want two minutes", back)
		}
	}
	return nil
}

func impersonation(c *Case) error {
	for _, pod := range []string{c.id("web", "shop"), c.id("db", "pg")} {
		key := newKey("p256")
		chain, err := c.askOnce(question{csr: ztunnelCSR(key, pod), token: c.JWT["ztunnel"], validity: 86400,
			metadata: map[string]any{"ImpersonatedIdentity": pod}, headers: []string{"clusterid", "Kubernetes"}})
		if err != nil {
			return err
		}
		if _, err = checkAnswer(c, chain, key, pod); err != nil {
			return err
		}
	}
	return nil
}

func strangeMetadata(c *Case) error {
	key := newKey("p256")
	chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.id("web", "shop")), token: c.JWT["shop"], metadata: map[string]any{
		"CertSigner": "", "WorkloadName": "shop-1", "nested": map[string]any{"a": []any{1, true, nil, "x"}}, "ImpersonatedIdentity": 7}})
	if err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, key, c.id("web", "shop"))
	return err
}
