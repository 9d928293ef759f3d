"""Bans on the paths of tokens: a node, a proxy that speaks for others."""
import grpc
import pytest

from harness import Signet, certs_of, make_csr, make_key, san_uris
from tokens import Issuer

CLUSTER = Issuer("https://issuer.example/cluster")
CONFIG = f"""
jwt_issuers:
  - {{ name: cluster, issuer: '{CLUSTER.url}', jwks_file: '@DIR@/cluster.jwks', audiences: [istio-ca], kind: kubernetes }}
policy:
  - name: node-proxy
    match: {{ method: jwt, k8s.service_account: ztunnel }}
    spiffe_id: "spiffe://{{trust_domain}}/ns/{{k8s.namespace}}/sa/{{k8s.service_account}}"
    impersonate: [ "spiffe://example.org/ns/web/sa/*" ]
  - name: kubernetes
    match: {{ method: jwt }}
    spiffe_id: "spiffe://{{trust_domain}}/ns/{{k8s.namespace}}/sa/{{k8s.service_account}}"
"""
PROXY, SHOP = "spiffe://example.org/ns/system/sa/ztunnel", "spiffe://example.org/ns/web/sa/shop"
BANNED = (grpc.StatusCode.PERMISSION_DENIED, "CSR signing error (keeper: banned)")


@pytest.fixture(scope="module")
def signet():
    s = Signet(CONFIG)
    CLUSTER.write(s.dir)
    with s:
        yield s


def token(account, node):
    bound = {"kubernetes.io": {"node": {"name": node, "uid": "1"}}} if node else {}
    return CLUSTER.token({"sub": "system:serviceaccount:" + account, "aud": ["istio-ca"], **bound})


def ask(signet, account, node=None, as_=None):
    """The SPIFFE ID that was issued, or the refusal."""
    metadata = {"ImpersonatedIdentity": as_} if as_ else None
    try:
        return san_uris(certs_of(signet.ask(make_csr(make_key(), SHOP), token=token(account, node), metadata=metadata)[0])[0])[0]
    except grpc.RpcError as e:
        return e.code(), e.details()


def test_a_banned_node_gets_nothing_for_anybody(signet):
    assert ask(signet, "web:shop", "node-1") == SHOP
    signet.signet("identity", "ban", "node", "node-1", "--reason", "broken into")
    assert ask(signet, "web:shop", "node-1") == BANNED
    assert ask(signet, "web:other", "node-1") == BANNED
    assert ask(signet, "system:ztunnel", "node-1", as_=SHOP) == BANNED
    assert ask(signet, "web:shop", "node-10") == ask(signet, "web:shop") == SHOP
    assert [(b["kind"], b["subject"]) for b in signet.pages("/v1/bans?limit=10")] == [("node", "node-1")]
    assert "node-1" in signet.signet("identity", "list").stdout
    signet.stop()
    signet.start()
    assert ask(signet, "web:shop", "node-1") == BANNED
    signet.signet("identity", "unban", "node", "node-1")
    assert ask(signet, "web:shop", "node-1") == SHOP


def test_a_banned_proxy_speaks_for_nobody_by_token_either(signet):
    assert ask(signet, "system:ztunnel", as_=SHOP) == SHOP
    signet.ban("spiffe_id", PROXY)
    assert ask(signet, "system:ztunnel", as_=SHOP) == BANNED
    assert ask(signet, "system:ztunnel") == BANNED
    assert ask(signet, "web:shop") == SHOP
    signet.unban("spiffe_id", PROXY)
    assert ask(signet, "system:ztunnel", as_=SHOP) == SHOP


@pytest.mark.parametrize("subject", ["", "n" * 254])
def test_what_is_no_node_is_refused(signet, subject):
    assert signet.admin("POST", "/v1/bans", {"kind": "node", "subject": subject})[0] == 400
