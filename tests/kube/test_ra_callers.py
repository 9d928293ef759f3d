"""Who may ask at a real cluster, and who Signet is there: credentials, permissions, reviews of tokens, proxies of nodes, two clusters."""
import pytest

from harness import wait_for
from kube import Client, Kube
from ra import CLUSTER, ID, LONG_S, RIGHTS, Ra, accounts, config, issuer, mesh, nothing_is_left, ours, rule
from signer import Signer

FAILED = ("UNAUTHENTICATED", "request authenticate failure")
NOT_YOU = ("UNAUTHENTICATED", "request impersonation authentication failure")
SHOP_POD = "shop-1"


def in_cluster(directory):
    return {"id": CLUSTER, "service_account_dir": str(directory)}


def bound(kube, pod, namespace="web", account="shop", node="node-1"):
    """A token of a new pod."""
    kube.create_pod(namespace, pod, account, node)
    return kube.token_for(namespace, account, ["istio-ca"], pod=pod)


# ---- who Signet is ----

@pytest.fixture(params=["client certificate", "client certificate in files", "token", "tokenFile", "pod"])
def cluster(request, kube):
    own = kube.token_for("signet", "signet")
    return {"client certificate": lambda: {"id": CLUSTER, "kubeconfig": str(kube.kubeconfig("signet"))},
            "client certificate in files": lambda: {"id": CLUSTER, "kubeconfig": str(kube.kubeconfig("signet", files=True))},
            "token": lambda: {"id": CLUSTER, "kubeconfig": str(kube.kubeconfig(token=own))},
            "tokenFile": lambda: {"id": CLUSTER, "kubeconfig": str(kube.kubeconfig(token=own, files=True))},
            "pod": lambda: in_cluster(kube.in_cluster_dir("signet", "signet"))}[request.param]()


def test_credentials(kube, token, cluster):
    with Ra(config(kube, mesh(kube), clusters=[cluster], jwt_issuers=[accounts(kube, token_review="also")]), env=kube.env) as s:
        s.start_ask(token).certificate(kube.issuer_root.certificate)
        nothing_is_left(kube, s)


def test_token_of_the_pod_is_revoked_and_replaced(kube, token):
    kube.create_pod("signet", "signet-1", "signet", "node-1")
    directory = kube.in_cluster_dir("signet", "signet", pod="signet-1")
    old = Client(kube.port, kube.ca_pem, (directory / "token").read_text())
    with Ra(config(kube, mesh(kube), clusters=[in_cluster(directory)]), env=kube.env) as s:
        s.start_ask(token).chain()
        kube.delete_pod("signet", "signet-1")
        wait_for(lambda: old.request("GET", "/api/v1/namespaces")[0] == 401, LONG_S)  # what it has seen it believes for 10 s
        assert s.start_ask(token).refusal()[0] == "INTERNAL"
        failed = s.events("kube_csr_failed")[-1]
        assert failed["failure"] == "forbidden" and "401" in failed["why"]
        kube.create_pod("signet", "signet-2", "signet", "node-1")
        kube.in_cluster_dir("signet", "signet", directory, pod="signet-2")
        # By the 401, of which each second one is looked at, not a minute later.
        wait_for(lambda: s.start_ask(token).future.exception() is None, 45)
        nothing_is_left(kube, s)
    kube.delete_pod("signet", "signet-2")


# ---- what Signet may not do ----

def without(*patterns):
    """RIGHTS but for some resources, or (resource, verb)."""
    rights = []
    for right in RIGHTS:
        resources = [r for r in right.get("resources", ["-"]) if r not in patterns]
        verbs = [v for v in right["verbs"] if not any((r, v) in patterns for r in right.get("resources", []))]
        if resources and verbs:
            rights.append({**right, "verbs": verbs, **({"resources": resources} if "resources" in right else {})})
    return rights


CSRS = "certificatesigningrequests"
# What is missing, what the client is told, in which event and how the log tells.
MISSING = {
    "create": ((CSRS, "create"), "INTERNAL", "kube_csr_failed", "why", "cannot create resource \"certificatesigningrequests\""),
    "approval": (CSRS + "/approval", "INTERNAL", "kube_csr_failed", "why", "cannot patch resource \"certificatesigningrequests/approval\""),
    "approve": ("signers", "INTERNAL", "kube_csr_failed", "why", "not permitted to approve requests with signerName"),
    "list": ((CSRS, "list"), "DEADLINE_EXCEEDED", "kube_watch_lost", "message", "cannot list resource \"certificatesigningrequests\""),
    "watch": ((CSRS, "watch"), "DEADLINE_EXCEEDED", "kube_watch_lost", "message", "cannot watch resource \"certificatesigningrequests\""),
    "delete": ((CSRS, "delete"), None, "kube_csr_not_deleted", "why", "cannot delete resource \"certificatesigningrequests\""),
    "reviews": ("tokenreviews", "UNAVAILABLE", "kube_review_forbidden", "needs", "create tokenreviews"),
    "events": ("events", None, None, None, None),
}


@pytest.mark.parametrize("what", MISSING)
def test_missing_permission(kube, token, what):
    pattern, code, event, field, words = MISSING[what]
    user = f"signet-without-{what}"
    kube.grant(user, user, without(pattern))
    kubeconfig = str(kube.kubeconfig(user))
    review = {"token_review": "also"} if what == "reviews" else {}
    text = config(kube, mesh(kube, deadline="3s"), clusters=[{"id": CLUSTER, "kubeconfig": kubeconfig}], jwt_issuers=[accounts(kube, **review)])
    with Ra(text) as s:
        request = s.start_ask(token)
        if code is None:
            request.chain()
        else:
            assert request.refusal()[0] == code
        if event:
            wait_for(lambda: any(words in e[field] for e in s.events(event)), LONG_S)
        if what == "delete":
            for csr in ours(kube):
                kube.delete_csr(csr["metadata"]["name"])
        nothing_is_left(kube, s)
    kube.revoke(user)


# ---- reviews of tokens ----

@pytest.mark.parametrize("review", ["also", "only"])
def test_token_of_a_deleted_pod(kube, review):
    used, unseen = bound(kube, SHOP_POD), kube.token_for("web", "shop", ["istio-ca"], pod=SHOP_POD)
    with Ra(config(kube, mesh(kube), jwt_issuers=[accounts(kube, token_review=review, review_cache="0s")])) as s:
        s.start_ask(used).chain()
        assert s.start_ask(kube.token_for("web", "shop", ["vault"])).refusal() == FAILED, "for another audience"
        assert s.start_ask(used[:-8] + "AAAAAAAA").refusal() == FAILED
        kube.delete_pod("web", SHOP_POD)
        assert s.start_ask(unseen).refusal() == FAILED
        if review == "also":  # the API server itself believes for 10 s what it has seen
            wait_for(lambda: s.start_ask(used).future.exception() is not None, LONG_S)
            assert s.start_ask(used).refusal() == FAILED
        nothing_is_left(kube, s)


def test_token_of_a_deleted_pod_that_nobody_reviews(kube):
    """The price of checking by keys alone: until its end it counts."""
    mine = bound(kube, SHOP_POD)
    kube.delete_pod("web", SHOP_POD)
    with Ra(config(kube, mesh(kube))) as s:
        s.start_ask(mine).chain()
        nothing_is_left(kube, s)


# ---- proxies of nodes ----

@pytest.fixture(scope="module")
def ztunnels(kube):
    """Pods: ztunnel-1 on node-1, where web/shop runs too; web/other runs on node-2, as does ztunnel-2."""
    kube.create_namespace("istio-system")
    kube.create_account("istio-system", "ztunnel")
    kube.create_account("web", "other")
    kube.create_node("node-2")
    kube.create_pod("web", "shop-a", "shop", "node-1")
    kube.create_pod("web", "other-a", "other", "node-2")
    tokens = {n: bound(kube, f"ztunnel-{n}", "istio-system", "ztunnel", f"node-{n}") for n in (1, 2)}
    yield tokens
    for namespace, pod in (("web", "shop-a"), ("web", "other-a"), ("istio-system", "ztunnel-1"), ("istio-system", "ztunnel-2")):
        kube.api("DELETE", f"/api/v1/namespaces/{namespace}/pods/{pod}?gracePeriodSeconds=0")


def proxies():
    match = {"method": "jwt", "k8s.namespace": "istio-system", "k8s.service_account": "ztunnel"}
    return rule(["mesh"], "proxies", match, impersonate=["spiffe://example.org/ns/*/sa/*"], same_node=True)


@pytest.fixture(scope="module")
def mesh_of_nodes(kube, ztunnels):
    with Ra(config(kube, mesh(kube), policy=[proxies(), rule(["mesh"])])) as s:
        yield s, ztunnels
        nothing_is_left(kube, s)


def of(account):
    return f"spiffe://example.org/ns/web/sa/{account}"


def test_proxy_speaks_for_the_pods_of_its_node(kube, mesh_of_nodes):
    s, tokens = mesh_of_nodes
    for node, account in ((1, "shop"), (2, "other")):
        request = s.start_ask(tokens[node], spiffe_id=of(account), metadata={"ImpersonatedIdentity": of(account)})
        leaf = request.certificate(kube.issuer_root.certificate)
        assert (s.record_of(leaf)["caller"], s.record_of(leaf)["rule"]) == ("accounts:istio-system/ztunnel", "proxies")


def test_proxy_does_not_speak_for_others(mesh_of_nodes):
    s, tokens = mesh_of_nodes
    identities = [
        (1, of("other")), (2, of("shop")),              # a pod of another node
        (1, of("nobody")),                              # an account without pods
        (1, "spiffe://example.org/ns/default/sa/shop"),
        (1, "spiffe://other.example/ns/web/sa/shop"), (1, of("shop/x")), (1, "spiffe://example.org/vm/shop"), (1, "shop"),
    ]  # all at once: a pod that may be about to come is waited for
    asked = [s.start_ask(tokens[n], spiffe_id=i, metadata={"ImpersonatedIdentity": i}) for n, i in identities]
    assert [(r.spiffe_id, r.refusal()) for r in asked] == [(i, NOT_YOU) for _, i in identities]


def test_who_is_no_proxy(kube, mesh_of_nodes):
    s, _ = mesh_of_nodes
    speaks = {"spiffe_id": ID, "metadata": {"ImpersonatedIdentity": ID}}
    assert s.start_ask(kube.token_for("web", "shop", ["istio-ca"], pod="shop-a"), **speaks).refusal() == NOT_YOU
    assert s.start_ask(kube.token_for("istio-system", "ztunnel", ["istio-ca"]), **speaks).refusal() == NOT_YOU, "for no pod"


def test_pods_that_come_and_go(kube, mesh_of_nodes):
    s, tokens = mesh_of_nodes
    speaks = {"spiffe_id": of("other"), "metadata": {"ImpersonatedIdentity": of("other")}}

    def wait_until(allowed):
        wait_for(lambda: (s.start_ask(tokens[1], **speaks).future.exception() is None) == allowed, LONG_S)
    assert s.start_ask(tokens[1], **speaks).refusal() == NOT_YOU
    kube.create_pod("web", "other-b", "other", "node-1")
    wait_until(True)
    kube.patch("/api/v1/namespaces/web/pods/other-b/status", {"status": {"phase": "Succeeded"}})
    wait_until(False)
    kube.delete_pod("web", "other-b")
    kube.create_pod("web", "other-b", "other", "node-1")
    wait_until(True)
    kube.delete_pod("web", "other-b")
    wait_until(False)
    assert s.start_ask(tokens[1], **speaks).refusal() == NOT_YOU


def test_proxy_whose_pod_is_another_one_now(kube, mesh_of_nodes):
    """Of the same name: its uid counts.  Then it is gone."""
    s, _ = mesh_of_nodes
    old = bound(kube, "ztunnel-3", "istio-system", "ztunnel", "node-1")
    speaks = {"spiffe_id": ID, "metadata": {"ImpersonatedIdentity": ID}}
    s.start_ask(old, **speaks).chain()
    kube.delete_pod("istio-system", "ztunnel-3")
    new = bound(kube, "ztunnel-3", "istio-system", "ztunnel", "node-1")
    s.start_ask(new, **speaks).chain()
    assert s.start_ask(old, **speaks).refusal() == NOT_YOU
    kube.delete_pod("istio-system", "ztunnel-3")
    wait_for(lambda: s.start_ask(new, **speaks).future.exception() is not None, LONG_S)
    assert s.start_ask(new, **speaks).refusal() == NOT_YOU


def test_pods_that_may_not_be_watched(kube, ztunnels):
    user = "signet-without-pods"
    kube.grant(user, user, without("pods"))
    clusters = [{"id": CLUSTER, "kubeconfig": str(kube.kubeconfig(user))}]
    with Ra(config(kube, mesh(kube), clusters=clusters, policy=[proxies(), rule(["mesh"])])) as s:
        assert s.start_ask(ztunnels[1], spiffe_id=ID, metadata={"ImpersonatedIdentity": ID}).refusal()[0] == "UNAVAILABLE"
        assert any('cannot list resource "pods"' in e["message"] for e in s.events("kube_watch_lost"))
        s.start_ask(kube.token_for("web", "shop", ["istio-ca"])).chain()
        nothing_is_left(kube, s)
    kube.revoke(user)


# ---- two clusters ----

class Pair:
    """A daemon with two clusters, whose service accounts have the same names and issuer."""

    def __init__(self, kube, other):
        self.kubes = {CLUSTER: kube, "other": other}
        self.tokens = {c: k.token_for("web", "shop", ["istio-ca"], pod="shop-pair") for c, k in self.kubes.items()}

    def ask(self, s, cluster, header, signer=None, **more):
        headers = [("clusterid", header)] if header is not None else []
        return s.start_ask(self.tokens[cluster], signer, headers=headers, **more)


@pytest.fixture(scope="module")
def two(kube):
    with Kube() as other, Signer(other, "example.org/there") as there:
        other.create_namespace("web")
        other.create_account("web", "shop")
        other.create_node("node-1")
        other.grant("signet-user", "signet", RIGHTS)
        for k in (kube, other):
            k.create_pod("web", "shop-pair", "shop", "node-1")
        pair = Pair(kube, other)
        pair.root = there.root.certificate
        clusters = [{"id": c, "kubeconfig": str(k.kubeconfig("signet"))} for c, k in pair.kubes.items()]
        issuers = [mesh(kube), issuer(kube, "there", "example.org/there", pair.root, cluster="other")]
        jwt = [accounts(kube), accounts(kube, name="other-accounts", cluster="other", token_review="also", review_cache="0s")]
        policy = [rule(["there"], "there", {"method": "jwt", "cluster": "other"}), rule(["mesh"])]
        with Ra(config(kube, *issuers, clusters=clusters, jwt_issuers=jwt, policy=policy)) as s:
            yield pair, s
            nothing_is_left(kube, s)
            assert not ours(other)
        kube.delete_pod("web", "shop-pair")


def test_header_chooses_the_cluster(kube, two):
    pair, s = two
    assert kube.token_issuer == pair.kubes["other"].token_issuer
    leaf = pair.ask(s, CLUSTER, CLUSTER).certificate(kube.issuer_root.certificate)
    assert s.record_of(leaf)["caller"] == "accounts:web/shop"
    leaf = pair.ask(s, "other", "other", "there").certificate(pair.root)
    assert s.record_of(leaf)["caller"] == "other-accounts:web/shop"
    pair.ask(s, CLUSTER, None).certificate(kube.issuer_root.certificate)  # none: the first


@pytest.mark.parametrize("token_of, header", [
    (CLUSTER, "other"), ("other", CLUSTER), ("other", None), (CLUSTER, "unknown"), ("other", "unknown"), (CLUSTER, "kubernetes"),
])
def test_header_does_not_fit(two, token_of, header):
    pair, s = two
    assert pair.ask(s, token_of, header, "there" if header == "other" else None).refusal() == FAILED


def test_rules_of_another_cluster(two):
    pair, s = two
    assert pair.ask(s, CLUSTER, CLUSTER, "there").refusal()[0] == "PERMISSION_DENIED"
    assert pair.ask(s, "other", "other", "mesh").refusal()[0] == "PERMISSION_DENIED"


def test_one_cluster_is_away(kube, two):
    pair, s = two
    other = pair.kubes["other"]
    other.apiserver.kill()
    pair.ask(s, CLUSTER, CLUSTER).certificate(kube.issuer_root.certificate)
    assert pair.ask(s, "other", "other", "there").refusal()[0] == "UNAVAILABLE", "it cannot be reviewed"
    other.apiserver.start()

    def asked():
        error = pair.ask(s, "other", "other", "there").future.exception()
        assert error is None or error.code().name == "UNAVAILABLE", error
        return error is None
    wait_for(asked, LONG_S)
