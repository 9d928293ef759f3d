"""Bans on the paths of tokens: a node, a proxy that speaks for others."""
import grpc
import pytest

from harness import Signet, certs_of, key_pem, make_csr, make_key, san_uris
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
  - name: renewal
    match: {{ method: mtls }}
    spiffe_id: "{{spiffe_id}}"
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


def renew(signet, key, chain):
    """With the certificate that one has, a new one of a new key."""
    new = make_key()
    with signet.channel(key_pem(key), "".join(chain).encode()) as channel:
        return new, signet.ask(make_csr(new, SHOP), channel=channel)


def refusal(call, *args):
    with pytest.raises(grpc.RpcError) as e:
        call(*args)
    return e.value.code(), e.value.details()


def test_a_banned_node_renews_nothing_over_mtls_either(signet):
    """Through any number of renewals; who came from elsewhere goes on."""
    key, other = make_key(), make_key()
    mine = key, signet.ask(make_csr(key, SHOP), token=token("web:shop", "node-2"))
    theirs = other, signet.ask(make_csr(other, SHOP), token=token("web:shop", "node-3"))
    for _ in range(3):
        mine = renew(signet, *mine)
    assert [r["node"] for r in (signet.record_of(certs_of(c[1][0])[0]) for c in (mine, theirs))] == ["node-2", "node-3"]
    with signet.channel(key_pem(mine[0]), "".join(mine[1]).encode()) as channel:
        signet.ask(make_csr(make_key(), SHOP), channel=channel)
        signet.ban("node", "node-2")
        assert refusal(lambda: signet.ask(make_csr(make_key(), SHOP), channel=channel)) == BANNED, "on an open connection"
    assert refusal(renew, signet, *mine) == BANNED
    renew(signet, *theirs)
    signet.stop()
    signet.start()
    assert refusal(renew, signet, *mine) == BANNED
    signet.unban("node", "node-2")
    renew(signet, *mine)


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
