"""signet kube check and signet request --issuer: with exactly the rights of deploy/kubernetes/rbac-ra.yaml all is good, and each right
that is left out is named."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
import yaml

from harness import BIN, Signet, certs_of, san_uris, wait_for
from kube import RBAC, Kube, account_user
from pki import Authority, pem
from signer import Signer

TOP = pathlib.Path(__file__).resolve().parents[2]

SYSTEM, ACCOUNT = "signet-system", "signet"
MANIFEST = TOP / "deploy" / "kubernetes" / "rbac-ra.yaml"
EXAMPLE = TOP / "deploy" / "examples" / "ra-cert-manager.yaml"
DOCUMENTS = list(yaml.safe_load_all(MANIFEST.read_text()))
RULES = [(d["kind"], i) for d in DOCUMENTS if d["kind"] in ("Role", "ClusterRole") for i in range(len(d["rules"]))]
ID = "spiffe://example.org/ns/web/sa/shop"


def path_of(document):
    """Where objects of its kind are."""
    namespace = document["metadata"].get("namespace")
    base = "/api/v1" if document["apiVersion"] == "v1" else RBAC
    return base + (f"/namespaces/{namespace}/" if namespace else "/") + document["kind"].lower() + "s"


def apply(kube, document):
    path = path_of(document)
    if kube.request("POST", path, document)[0] == 409:
        kube.api("PUT", f"{path}/{document['metadata']['name']}", document)


def delete(kube, document):
    kube.api("DELETE", f"{path_of(document)}/{document['metadata']['name']}")


@pytest.fixture(scope="module")
def kube():
    with Kube(cert_manager=True) as k:
        k.api("DELETE", f"{RBAC}/clusterrolebindings/system:service-account-issuer-discovery")  # every account's, by default
        k.create_namespace(SYSTEM)
        for document in DOCUMENTS:
            apply(k, document)
        k.create_namespace("web")
        k.create_account("web", "shop")
        k.create_node("node-1")
        k.create_pod("web", "shop-1", "shop", "node-1")
        yield k


@pytest.fixture
def directory(kube):
    path = pathlib.Path(tempfile.mkdtemp(prefix="check-", dir=kube.dir))
    path.chmod(0o755)
    return path


class Checker:
    """signet, with the example's configuration as a pod would have it."""

    def __init__(self, kube, directory, text=None):
        text = EXAMPLE.read_text() if text is None else text
        self.kube, self.config, self.env = kube, directory / "signet.yaml", {**os.environ, **kube.env}
        self.account_dir = kube.in_cluster_dir(SYSTEM, ACCOUNT)
        text = text.replace("  - id: Kubernetes", f"  - id: Kubernetes\n    service_account_dir: {self.account_dir}", 1)
        self.config.write_text("user: nobody\n" + text)

    def run(self, *args):
        return subprocess.run([BIN / "signet", "kube", *args, "--config", self.config], env=self.env, capture_output=True, text=True,
                              timeout=120, check=False)

    def check(self, *args):
        r = self.run("check", "-o", "json", *args)
        assert r.stderr == "" and r.returncode in (0, 1), r.stderr
        answer = json.loads(r.stdout)
        assert answer["good"] == (r.returncode == 0)
        return answer

    def missing(self):
        """The rules that are, by the checks."""
        return [c["rule"] for c in self.check()["checks"] if c["state"] == "missing"]

    def wait_until_good(self):
        return wait_for(lambda: (a := self.check())["good"] and a, 60)


@pytest.fixture
def checker(kube, directory):
    return Checker(kube, directory)


def test_with_these_rights_all_is_good(checker, kube):
    answer = checker.wait_until_good()
    found = {c["check"]: (c["state"], c["detail"]) for c in answer["checks"]}
    assert {state for state, _ in found.values()} == {"ok"} and answer["missing"] == []
    assert found["credentials"][1] == str(checker.account_dir) and found["server"][1] == kube.url
    assert found["reachable"][1].startswith("v1.") and found["we are"][1] == account_user(SYSTEM, ACCOUNT)
    assert found["keys of tokens of cluster"][1] == "1" and found["dry run of a request to issuer mesh"]
    assert kube.csrs(kube.signer_name) == []  # it was a dry run
    r = checker.run("check")
    assert r.returncode == 0 and r.stdout.endswith("all good\n"), r.stdout


def rule_of(document, at):
    rule = dict(document["rules"][at])
    if "namespace" in document["metadata"]:
        rule["namespace"] = document["metadata"]["namespace"]
    return rule


@pytest.mark.parametrize("kind, at", RULES)
def test_a_rule_that_is_left_out_is_named(checker, kube, kind, at):
    whole = next(d for d in DOCUMENTS if d["kind"] == kind)
    checker.wait_until_good()
    apply(kube, {**whole, "rules": whole["rules"][:at] + whole["rules"][at + 1:]})
    try:
        # Leave for the subresource is not leave for the resource, nor the other way round.
        assert wait_for(checker.missing, 60) == [rule_of(whole, at)]
        r = checker.run("check")
        assert r.returncode == 1 and "MISSING" in r.stdout
        pasted = list(yaml.safe_load_all(r.stdout[r.stdout.index("# All that is missing at cluster Kubernetes"):]))
        assert [d["kind"] for d in pasted] == [kind, kind + "Binding"] and pasted[0]["rules"] == [whole["rules"][at]]
        for document in pasted:
            apply(kube, document)
        checker.wait_until_good()
        for document in pasted:
            delete(kube, document)
    finally:
        apply(kube, whole)


def test_a_verb_that_is_left_out_is_named_alone(checker, kube):
    whole = next(d for d in DOCUMENTS if d["kind"] == "ClusterRole")
    checker.wait_until_good()
    first = {**whole["rules"][0], "verbs": ["create", "get", "list", "delete"]}
    apply(kube, {**whole, "rules": [first] + whole["rules"][1:]})
    try:
        assert wait_for(checker.missing, 60) == [{**whole["rules"][0], "verbs": ["watch"]}]
    finally:
        apply(kube, whole)


def test_leave_for_all_signers_of_a_domain_is_leave_for_one(checker, kube):
    whole = next(d for d in DOCUMENTS if d["kind"] == "ClusterRole")
    rules = [{**r, "resourceNames": ["clusterissuers.cert-manager.io/*"]} if "resourceNames" in r else r for r in whole["rules"]]
    checker.wait_until_good()
    apply(kube, {**whole, "rules": rules})
    try:
        assert not checker.missing()
        checker.config.write_text(checker.config.read_text().replace("signer_name: clusterissuers.cert-manager.io/mesh",
                                                                     "signer_name: clusterissuers.cert-manager.io/other"))
        checker.wait_until_good()
    finally:
        apply(kube, whole)


# ---- what fails before any permission ----

def failed(answer):
    return [(c["check"], c["detail"]) for c in answer["checks"] if c["state"] == "failed"]


def test_credentials_that_cannot_be_used_are_said(checker, kube):
    (checker.account_dir / "..data" / "token").unlink()
    assert failed(checker.check()) == [("credentials", f"{checker.account_dir}/token: cannot read it: No such file or directory")]
    if os.getuid() == 0:
        (checker.account_dir / "..data" / "token").write_text("secret")
        (checker.account_dir / "..data" / "token").chmod(0o600)  # root's: the daemon, which is nobody, cannot read it
        assert failed(checker.check()) == [("credentials", f"{checker.account_dir}/token: cannot read it: Permission denied")]
        (checker.account_dir / "..data" / "token").chmod(0o644)
    (checker.account_dir / "..data" / "token").write_text("nobody.knows.this")
    answer = checker.check()
    assert [check for check, _ in failed(answer)] == ["reachable"] and failed(answer)[0][1].startswith("status 401")
    assert "nobody.knows.this" not in json.dumps(answer)


def test_another_server_than_the_trusted_one_is_said(checker, kube):
    (checker.account_dir / "..data" / "ca.crt").write_text(pem(Authority("somebody else").certificate))
    (check, detail), = failed(checker.check())
    assert check == "reachable" and "certificate" in detail
    checker.env["KUBERNETES_SERVICE_PORT"] = "1"
    (check, detail), = failed(checker.check())
    assert check == "reachable" and detail != ""


def test_one_cluster_alone_and_one_that_is_not_there(kube, directory):
    text = EXAMPLE.read_text()
    checker = Checker(kube, directory, text.replace("issuers:", f"  - {{ id: east, kubeconfig: {directory}/none }}\n\nissuers:", 1))
    wait_for(lambda: checker.check("--cluster", "Kubernetes")["good"], 60)
    assert {c["of"] for c in checker.check("--cluster", "east")["checks"]} == {"cluster east"}
    assert failed(checker.check("--cluster", "east"))[0][0] == "credentials"
    assert not checker.check()["good"]
    r = checker.run("check", "--cluster", "west")
    assert r.returncode == 4 and "no cluster with the id west" in r.stderr


def test_keys_from_elsewhere_are_fetched(kube, directory):
    """The API server is an issuer of tokens like any other; it lets nobody fetch its keys without credentials."""
    ca = directory / "ca.pem"
    ca.write_text(kube.ca_pem)
    text = "trust_domain: example.org\njwt_issuers: [{ name: far, issuer: 'https://far.example', audiences: [x], jwks_url: '%s', ca_file: %s }]\n"
    checker = Checker(kube, directory, text % (kube.url + "/openid/v1/jwks", ca))
    answer = checker.check()
    assert failed(answer) == [("keys of tokens of far", "keys: the answer is not 200: status 403")]
    kube.grant("public-keys", "system:anonymous", [{"nonResourceURLs": ["/openid/v1/jwks"], "verbs": ["get"]}])
    assert wait_for(lambda: (a := checker.check())["good"] and a, 60)["checks"] == [
        {"of": "issuer far", "check": "keys of tokens of far", "state": "ok", "detail": "1"}]
    kube.revoke("public-keys")


def test_nothing_to_check_is_said(kube, directory):
    r = Checker(kube, directory, "trust_domain: example.org\n").run("check")
    assert r.returncode == 0 and r.stdout.startswith("nothing to check")


def test_what_rbac_prints_for_a_user_is_enough(kube, directory):
    """Of other issuers than the example's: a chosen signer, an Issuer in a namespace, approval by others, requests that are kept."""
    config = directory / "signet.yaml"
    config.write_text(f"""
user: nobody
trust_domain: example.org
clusters: [{{ id: one, kubeconfig: {kube.kubeconfig("ra", ["others"])} }}]
issuers:
  - {{ name: chosen, cluster: one, signer_domain: signers.example.org, roots_file: r }}
  - {{ name: spaced, cluster: one, signer_name: issuers.cert-manager.io/web.iss, roots_file: r, approve: external, after: keep }}
""")
    r = subprocess.run([BIN / "signet", "kube", "rbac", "--user", "ra", "--config", config], capture_output=True, text=True, check=True)
    documents = list(yaml.safe_load_all(r.stdout))
    assert {(d["kind"], d["metadata"].get("namespace")) for d in documents} == {
        ("ClusterRole", None), ("ClusterRoleBinding", None), ("Role", "default"), ("RoleBinding", "default"), ("Role", "web"),
        ("RoleBinding", "web")}
    rules = {r["resources"][0]: r for d in documents for r in d.get("rules", [])}
    assert rules["signers"]["verbs"] == ["reference"] and "tokenreviews" not in rules and "pods" not in rules

    def check():
        return subprocess.run([BIN / "signet", "kube", "check", "--config", config], capture_output=True, text=True, check=False)
    assert check().returncode == 1
    for document in documents:
        document["metadata"]["name"] = "of-user"  # the account's have the same names
        if "roleRef" in document:
            document["roleRef"]["name"] = "of-user"
        apply(kube, document)
    wait_for(lambda: check().returncode == 0, 60)
    for document in documents:
        delete(kube, document)


# ---- signet request --issuer ----

@pytest.fixture(scope="module")
def signer(kube):
    with Signer(kube, "signers.example.org/second") as s:
        yield s


@pytest.fixture(scope="module")
def daemon(kube, signer):
    """Two issuers besides its own CA: one with a name, one that lets requests choose among the signers of a domain."""
    roots, second = kube.dir / "roots.pem", kube.dir / "second.pem"
    roots.write_text(pem(kube.issuer_root.certificate))
    second.write_text(pem(signer.root.certificate))
    config = f"""
clusters: [{{ id: Kubernetes, kubeconfig: {kube.kubeconfig("admin", ["system:masters"])} }}]
issuers:
  - {{ name: mesh, cluster: Kubernetes, signer_name: {kube.signer_name}, roots_file: {roots} }}
  - {{ name: second, cluster: Kubernetes, signer_domain: signers.example.org, roots_file: {second} }}
jwt_issuers:
  - {{ name: k, issuer: '{kube.token_issuer}', kind: kubernetes, cluster: Kubernetes, audiences: [istio-ca] }}
policy:
  - {{ name: all, match: {{ method: jwt }}, issuers: [default, mesh, second/second],
      spiffe_id: "spiffe://{{trust_domain}}/ns/{{k8s.namespace}}/sa/{{k8s.service_account}}" }}
"""
    with Signet(config) as s:
        yield s


def request(daemon, kube, directory, *args, status=0):
    (directory / "token").write_text(kube.token_for("web", "shop", ["istio-ca"], pod="shop-1"))
    r = subprocess.run([BIN / "signet", "request", "--config", daemon.config, "--jwt-file", directory / "token", "--out-dir", directory,
                        "--validity", "1h", *args], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    assert r.returncode == status, (r.stdout, r.stderr, daemon.log()[-3000:])
    return r


@pytest.mark.parametrize("name, issuer", [("mesh", "CN=issuer-intermediate"), ("second", "CN=inner"), ("default", "CN=Signet Root CA"),
                                          (None, "CN=Signet Root CA")])
def test_request_gets_what_the_issuer_that_it_names_signs(daemon, kube, directory, name, issuer):
    request(daemon, kube, directory, *(["--issuer", name] if name else []), "--spiffe-id", ID)
    leaf, *_ = certs_of((directory / "cert-chain.pem").read_text())
    assert san_uris(leaf) == [ID] and leaf.issuer.rfc4514_string().startswith(issuer)
    subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", "root-cert.pem", "-untrusted", "cert-chain.pem", "cert-chain.pem"],
                   cwd=directory, check=True, capture_output=True)


@pytest.mark.parametrize("args, status, said", [
    (["--issuer", "mesh"], 1, "--spiffe-id"),  # a signer copies names, so there must be some
    (["--issuer", "mesh", "--spiffe-id", "spiffe://example.org/ns/web/sa/other"], 1, "--spiffe-id"),
    (["--issuer", "third", "--spiffe-id", ID], 1, "the rules give it nothing"),
    (["--issuer", "second/other", "--spiffe-id", ID], 1, "the rules give it nothing"),
    (["--spiffe-id", "spiffe://example.org/ns/web/sa/other"], 1, "another SPIFFE ID"),
    (["--issuer", "mesh", "--spiffe-id", "https://example.org"], 2, "not the SPIFFE ID of a workload"),
    (["--impersonate", "spiffe://example.org"], 2, "not the SPIFFE ID of a workload"),
])
def test_request_of_an_issuer_is_refused_with_a_word(daemon, kube, directory, args, status, said):
    r = request(daemon, kube, directory, *args, status=status)
    assert said in r.stderr, r.stderr
    assert not (directory / "key.pem").exists() and not (directory / "cert-chain.pem").exists()
    assert "another" in said or not (directory / "key.pem.pending").exists()
