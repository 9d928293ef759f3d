"""Rules: which one decides, what it gives, what the keeper refuses all the same, and who is told what."""
import datetime

import grpc
import pytest
from cryptography import x509

from harness import Signet, certs_of, key_pem, make_csr, make_key, san_uris, verify_chain, wait_for
from tokens import Issuer

ISSUER = Issuer("https://issuer.example/ci")
OTHER = Issuer("https://issuer.example/other")
DAY = 86400
HEAD = """
jwt_issuers:
  - { name: ci, issuer: https://issuer.example/ci, jwks_file: @DIR@/ci.jwks, audiences: [signet] }
  - { name: other, issuer: https://issuer.example/other, jwks_file: @DIR@/other.jwks, audiences: [signet] }
"""
CONFIG = HEAD + """
ca:
  allow_dns_names: ["*.web.example.org", "web.example.org", "signet.web.example.org", "istiod.istio-system.svc", "node.example.org"]
  allow_ip_ranges: ["10.0.0.0/8", "127.0.0.0/8", "fd00::/8"]
  allow_spiffe_ids: ["spiffe://example.org/ci/**", "spiffe://example.org/exact"]
cert: { default_lifetime: 12h, max_lifetime: 10d }
policy:
  - { name: secret-banned, match: { claim.team: mallory }, deny: true }
  - { name: secret-two, match: { claim.team: two, claim.env: [prod, "st*g?"] }, spiffe_id: "spiffe://{trust_domain}/ci/two/{claim.env}" }
  - { name: secret-two-any, match: { claim.team: two }, spiffe_id: "spiffe://example.org/ci/any" }
  - name: secret-names
    match: { claim.team: names }
    spiffe_id: "spiffe://{trust_domain}/ci/{claim.sub}"
    dns_names: ["{claim.sub}.web.example.org", "{claim.host}"]
    ip_addresses: ["{claim.ip}"]
  - name: secret-fixed-names
    match: { claim.team: fixed }
    spiffe_id: "spiffe://{trust_domain}/ci/fixed"
    dns_names: [web.example.org]
    ip_addresses: [10.1.2.3, "fd00::1"]
  - { name: secret-keys, match: { claim.team: keys }, spiffe_id: "spiffe://example.org/ci/keys", key_types: [p384, ed25519] }
  - { name: secret-life, match: { claim.team: life }, spiffe_id: "spiffe://example.org/ci/life", default_lifetime: 2h, max_lifetime: 4h }
  - { name: secret-outside, match: { claim.team: outside }, spiffe_id: "spiffe://example.org/elsewhere/x" }
  - { name: secret-exact, match: { claim.team: exact }, spiffe_id: "spiffe://example.org/exact" }
  - { name: secret-dns-outside, match: { claim.team: dns-outside }, spiffe_id: "spiffe://example.org/ci/x", dns_names: ["evil.example.com"] }
  - { name: secret-ip-outside, match: { claim.team: ip-outside }, spiffe_id: "spiffe://example.org/ci/x", ip_addresses: ["192.0.2.1"] }
  - { name: secret-reserved, match: { claim.team: reserved }, spiffe_id: "spiffe://example.org/ci/x", dns_names: [istiod.istio-system.svc] }
  - { name: secret-signet, match: { claim.team: localhost }, spiffe_id: "spiffe://example.org/ci/x", ip_addresses: [127.0.0.1] }
  - { name: secret-glob, match: { claim.path: ["a/*", "deep/**"] }, spiffe_id: "spiffe://example.org/ci/glob" }
  - { name: secret-issuer, match: { issuer: other }, spiffe_id: "spiffe://example.org/ci/other" }
  - { name: secret-groups, match: { claim.groups: dev }, spiffe_id: "spiffe://example.org/ci/dev" }
  - { name: secret-template, match: { claim.team: template }, spiffe_id: "spiffe://example.org/ci/{claim.value}/{claim.groups}" }
  - { name: secret-nested, match: { claim.a.b.c: "7", claim.yes: "true" }, spiffe_id: "spiffe://example.org/ci/nested" }
  - { name: secret-cluster, match: { cluster: east }, spiffe_id: "spiffe://example.org/ci/east" }
  - { name: renewal, match: { method: mtls, spiffe_id: "spiffe://example.org/ci/**" }, spiffe_id: "{spiffe_id}" }
"""
Code = grpc.StatusCode
DENIED = (Code.PERMISSION_DENIED, "request denied by policy")
KEY = make_key()
CSR = make_csr(KEY)


@pytest.fixture(scope="module")
def signet():
    s = Signet(CONFIG)
    ISSUER.write(s.dir)
    OTHER.write(s.dir)
    with s:
        yield s


def token(issuer=ISSUER, **claims):
    return issuer.token({"sub": "job", "aud": "signet", **claims})


def leaf(signet, channel, csr=CSR, validity=0, headers=(), issuer=ISSUER, **claims):
    return certs_of(signet.ask(csr, token=token(issuer, **claims), validity=validity, headers=headers, channel=channel)[0])[0]


def refusal(signet, channel, csr=CSR, validity=0, headers=(), issuer=ISSUER, **claims):
    with pytest.raises(grpc.RpcError) as e:
        signet.ask(csr, token=token(issuer, **claims), validity=validity, headers=headers, channel=channel)
    assert "secret" not in e.value.details(), "no rule is named to a client"
    return e.value.code(), e.value.details()


@pytest.mark.parametrize("claims, rule, spiffe_id", [
    ({"team": "two", "env": "prod"}, "secret-two", "two/prod"),
    ({"team": "two", "env": "stage"}, "secret-two", "two/stage"),
    ({"team": "two", "env": "stag"}, "secret-two-any", "any"),
    ({"team": "two"}, "secret-two-any", "any"),
    ({"path": "a/b"}, "secret-glob", "glob"),
    ({"path": "deep/b/c"}, "secret-glob", "glob"),
    ({"groups": ["ops", "dev"]}, "secret-groups", "dev"),
    ({"groups": "dev"}, "secret-groups", "dev"),
    ({"a": {"b": {"c": 7}}, "yes": True}, "secret-nested", "nested"),
], ids=lambda v: str(v)[:40])
def test_first_rule_that_matches_decides(signet, channel, claims, rule, spiffe_id):
    cert = leaf(signet, channel, **claims)
    assert san_uris(cert) == ["spiffe://example.org/ci/" + spiffe_id]
    assert signet.record_of(cert)["rule"] == rule


def test_issuer_and_cluster_are_attributes(signet, channel):
    assert san_uris(leaf(signet, channel, issuer=OTHER)) == ["spiffe://example.org/ci/other"]
    assert san_uris(leaf(signet, channel, headers=[("clusterid", "east")])) == ["spiffe://example.org/ci/east"]
    assert refusal(signet, channel, headers=[("clusterid", "east"), ("clusterid", "east")]) == DENIED, "twice is as good as never"


@pytest.mark.parametrize("claims", [
    {}, {"team": "nobody"}, {"team": "mallory"}, {"team": "mallory", "groups": "dev"}, {"team": ["x", "mallory"], "path": "a/b"},
    {"team": "TWO"}, {"team": "tw*"}, {"team": "*"}, {"path": "a/b/c"}, {"path": "a"}, {"path": "b"},
    {"groups": ["deve", "DEV"]}, {"groups": [["dev"]]}, {"groups": {"dev": "dev"}}, {"a": {"b": {"c": 7}}},
    {"a": {"b": {"c": 7}}, "yes": 1}, {"yes": True},
    {"team": "template", "value": "x"}, {"team": "template", "groups": "x"}, {"team": "template", "value": "a/b", "groups": "x"},
    {"team": "template", "value": "..", "groups": "x"}, {"team": "template", "value": "", "groups": "x"},
    {"team": "template", "value": "a%2fb", "groups": "x"}, {"team": "template", "value": "x", "groups": ["y", "z"]},
    {"team": "template", "value": "\u00e9", "groups": "x"}, {"team": "template", "value": "x" * 2040, "groups": "y"},
    {"team": "names", "host": "web.example.org"}, {"team": "names", "host": "*.web.example.org", "ip": "10.0.0.1"},
    {"team": "names", "host": "Web.example.org", "ip": "10.0.0.1"}, {"team": "names", "host": "web.example.org", "ip": "10.0.0.256"},
    {"team": "names", "host": "web.example.org", "ip": "10.0.0.1/8"}, {"team": "names", "host": "10.0.0.1", "ip": "10.0.0.1"},
    {"team": "names", "sub": "a.b", "host": "web.example.org", "ip": "10.0.0.1"},
], ids=lambda v: str(v)[:60])
def test_nobody_else_gets_anything(signet, channel, claims):
    denied = signet.metric("signet_policy_denied_total")
    assert refusal(signet, channel, **claims) == DENIED
    assert signet.metric("signet_policy_denied_total") == denied + 1


def names_of(cert):
    san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return san.get_values_for_type(x509.DNSName), [str(i) for i in san.get_values_for_type(x509.IPAddress)]


def test_dns_and_ip_names_come_from_templates(signet, channel):
    cert = leaf(signet, channel, team="names", sub="shop-1", host="web.example.org", ip="10.255.0.1")
    assert san_uris(cert) == ["spiffe://example.org/ci/shop-1"]
    assert names_of(cert) == (["shop-1.web.example.org", "web.example.org"], ["10.255.0.1"])
    cert = leaf(signet, channel, team="names", sub="shop-1", host="a.web.example.org", ip="fd00:0:0::00:5")
    assert names_of(cert) == (["shop-1.web.example.org", "a.web.example.org"], ["fd00::5"])
    code, _ = refusal(signet, channel, team="names", sub="x", host="a.b.web.example.org", ip="10.0.0.1")
    assert code == grpc.StatusCode.PERMISSION_DENIED, "the star of ca.allow_dns_names is one label"
    cert = leaf(signet, channel, team="fixed")
    assert names_of(cert) == (["web.example.org"], ["10.1.2.3", "fd00::1"])
    verify_chain(cert, signet.roots(), signet.dir)


def test_names_asked_for_in_the_csr_are_never_taken(signet, channel):
    csr = make_csr(KEY, "spiffe://example.org/ci/admin", dns=["web.example.org"])
    assert names_of(leaf(signet, channel, csr=csr, team="exact")) == ([], [])


# ---- the keeper has limits of its own ----

@pytest.mark.parametrize("claims, text, reason", [
    pytest.param({"team": "outside"}, "CSR signing error (keeper: this CA may not issue that SPIFFE ID)", "spiffe_id", id="spiffe_id"),
    pytest.param({"team": "dns-outside"}, "CSR signing error (keeper: this CA may not issue a name that was granted)", "name", id="dns_name"),
    pytest.param({"team": "ip-outside"}, "CSR signing error (keeper: this CA may not issue a name that was granted)", "name", id="ip_address"),
    pytest.param({"team": "reserved"}, "CSR signing error (keeper: a name is reserved)", "reserved_name", id="istiods_name_though_allowed"),
    pytest.param({"team": "localhost"}, "CSR signing error (keeper: a name is reserved)", "reserved_name", id="our_own_address_though_allowed"),
])
def test_keeper_refuses_what_policy_granted(signet, channel, claims, text, reason):
    metric = 'signet_keeper_refused_total{issuer="default",reason="%s"}' % reason
    before, records = signet.metric(metric), len(signet.records())
    assert refusal(signet, channel, **claims) == (Code.PERMISSION_DENIED, text)
    assert signet.metric(metric) == before + 1
    assert len(signet.records()) == records


def test_the_limits_are_told_as_the_keeper_reads_them(signet, channel):
    refusal(signet, channel, team="reserved")
    limits = {i["name"]: i for i in signet.api("GET", "/v1/limits")["items"]}
    assert limits["trust_domain"]["value"] == "example.org"
    assert "istiod.**" in limits["ca.reserved_names"]["value"] and limits["ca.reserved_names"]["refused"] >= 1
    assert limits["cert.max_lifetime"]["value"].endswith("s")
    assert "ca.reserved_names" in signet.signet("ca", "limits").stdout


def test_keeper_lets_pass_what_is_within_its_limits(signet, channel):
    assert san_uris(leaf(signet, channel, team="exact")) == ["spiffe://example.org/exact"]


# ---- keys and lifetimes ----

@pytest.mark.parametrize("kind, good", [("p256", False), ("rsa2048", False), ("p384", True), ("ed25519", True)])
def test_key_types_of_a_rule(signet, channel, kind, good):
    csr = make_csr(make_key(kind))
    if good:
        assert leaf(signet, channel, csr=csr, team="keys")
    else:
        assert refusal(signet, channel, csr=csr, team="keys") == DENIED


def test_key_types_of_the_daemon():
    s = Signet(HEAD + "cert: { key_types: [p256] }\npolicy:\n  - { name: all, spiffe_id: 'spiffe://example.org/x' }\n")
    ISSUER.write(s.dir)
    OTHER.write(s.dir)
    with s, s.channel() as c:
        assert leaf(s, c)
        for kind in ("p384", "ed25519", "rsa2048"):
            assert refusal(s, c, csr=make_csr(make_key(kind)))[0] == Code.PERMISSION_DENIED


@pytest.mark.parametrize("team, asked, given", [
    ("life", 0, 7200), ("life", -5, 7200), ("life", 3600, 3600), ("life", 14400, 14400), ("life", 14401, 14400), ("life", 10 * DAY, 14400),
    ("exact", 0, 12 * 3600), ("exact", 10 * DAY, 10 * DAY),
])
def test_lifetime_of_a_rule_shortens(signet, channel, team, asked, given):
    cert = leaf(signet, channel, validity=asked, team=team)
    assert cert.not_valid_after - cert.not_valid_before == datetime.timedelta(seconds=given + 120)


@pytest.mark.parametrize("team", ["life", "exact"])
def test_lifetime_of_the_daemon_refuses(signet, channel, team):
    assert refusal(signet, channel, validity=10 * DAY + 1, team=team) == (
        Code.INVALID_ARGUMENT, "CSR signing error (requested TTL 240h0m1s is greater than the max allowed TTL 240h0m0s)")


def test_policy_comes_before_the_csr(signet, channel):
    assert refusal(signet, channel, csr="nonsense", team="nobody") == DENIED
    assert refusal(signet, channel, csr="nonsense", team="exact")[0] == Code.INVALID_ARGUMENT


# ---- what the log says ----

LOGGED = HEAD + """
policy:
  - { name: secret-banned, match: { claim.team: mallory }, deny: true }
  - { name: secret-two, match: { claim.team: two, claim.env: [prod, "st*g?"] }, spiffe_id: "spiffe://{trust_domain}/ci/two/{claim.env}" }
  - { name: secret-template, match: { claim.team: template }, spiffe_id: "spiffe://example.org/ci/{claim.value}" }
"""


def test_log_says_which_rule_gave_and_which_ones_nearly_matched():
    s = Signet(LOGGED)
    ISSUER.write(s.dir)
    OTHER.write(s.dir)
    with s, s.channel() as c:
        cert = leaf(s, c, team="two", env="prod", sub="logged")
        issued = wait_for(lambda: [e for e in s.events("issued") if e["caller"] == "ci:logged"])  # written after the answer
        assert [(e["rule"], e["spiffe_id"], int(e["serial"], 16)) for e in issued] == \
            [("secret-two", "spiffe://example.org/ci/two/prod", cert.serial_number)]
        for sub, claims, lines in (
                ("near", {"team": "two", "env": "dev"}, [
                    'rule secret-two (line 15): 1 of 2 hold; claim.env is "dev", wanted prod or st*g?', "no rule matches; denied"]),
                ("far", {"team": "x"}, ["no rule matches; denied"]),
                ("deny", {"team": "mallory"}, ["rule secret-banned (line 14): matches and denies"]),
                ("fill", {"team": "template", "value": "a/b\n"}, [
                    "rule secret-template (line 16): matches, but cannot fill spiffe://example.org/ci/{claim.value}: {claim.value}: "])):
            assert refusal(s, c, sub=sub, **claims) == DENIED
            wait_for(lambda: [e for e in s.events("refused") if e["caller"] == "ci:" + sub])
            told = [e["told"] for e in s.events("policy") if e["caller"] == "ci:" + sub]
            assert len(told) == len(lines) and all(t.startswith(line) for t, line in zip(told, lines)), told
            assert sub != "fill" or told[0].endswith('"a/b\\x0a"; denied')
            refused = [e for e in s.events("refused") if e["caller"] == "ci:" + sub]
            assert [(e["step"], e["code"], e["by"], e["record"]) for e in refused] == [("decide", "PERMISSION_DENIED", "jwt", -1)]


def test_renewal_rule_can_be_narrower_than_the_trust_domain(signet, channel):
    key = make_key()
    for team, good in (("two", True), ("exact", False)):
        chain = signet.ask(make_csr(key), token=token(team=team), channel=channel)
        with signet.channel(key_pem(key), "".join(chain).encode()) as mtls:
            if good:
                assert signet.ask(CSR, channel=mtls)
            else:
                with pytest.raises(grpc.RpcError) as e:
                    signet.ask(CSR, channel=mtls)
                assert (e.value.code(), e.value.details()) == DENIED


def test_no_rules_at_all_means_nobody():
    s = Signet(HEAD + "policy: []\n")
    ISSUER.write(s.dir)
    OTHER.write(s.dir)
    with s, s.channel() as c:
        assert refusal(s, c) == DENIED
        with pytest.raises(grpc.RpcError) as e:
            s.ask(CSR, token=s.token("spiffe://example.org/x"), channel=c)
        assert (e.value.code(), e.value.details()) == DENIED
