"""The environment itself: that it is a Kubernetes, and that each signer errs in the way that its name says and in no other."""
import base64
import itertools
import json
import subprocess
import time

import jwt
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtensionOID

from harness import wait_for
from kube import Client, Kube, account_user
from pki import HOUR, MINUTE, SECOND, USAGES, Authority, name, new_key, now, pem
from signer import BEHAVIOURS, Approver, Signer

SIGNER = "example.org/signer"
SAN = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://example.org/ns/web/sa/shop")])
TTL = 2 * HOUR
numbers = itertools.count(1)
CREATE = [{"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["create"]}]


@pytest.fixture(scope="module")
def signer(kube):
    with Signer(kube, SIGNER) as s:
        yield s
        assert not s.errors


def file_csr(client, signer_name=SIGNER):
    """(name, key) of a new CertificateSigningRequest."""
    key, title = new_key(), f"csr-{next(numbers)}"
    csr = x509.CertificateSigningRequestBuilder().subject_name(name()).add_extension(SAN, True).sign(key, hashes.SHA256())
    client.create_csr(title, pem(csr), signer_name, seconds=TTL // SECOND)
    return title, key


def file_approved(kube, signer_name=SIGNER):
    title, key = file_csr(kube, signer_name)
    kube.approve(title)
    return title, key


def answer(kube, title):
    """The certificates of the answer, once it is there."""
    text = base64.b64decode(wait_for(lambda: kube.csr(title)["status"].get("certificate"))).decode()
    return [x509.load_pem_x509_certificate(("-----BEGIN" + part).encode()) for part in text.split("-----BEGIN")[1:]]


def condition(kube, title, kind):
    """(reason, message) if it is there."""
    return next(((c["reason"], c["message"]) for c in kube.csr(title)["status"].get("conditions", []) if c["type"] == kind), None)


def common_names(chain):
    return " ".join(c.subject.rfc4514_string().removeprefix("CN=") or "leaf" for c in chain)


def openssl_accepts(chain, root, directory):
    for file, certificates in (("leaf", chain[:1]), ("rest", chain[1:]), ("root", [root])):
        (directory / file).write_text(pem(*certificates))
    command = ["openssl", "verify", "-x509_strict", "-no_check_time", "-CAfile", "root"]
    return subprocess.run(command + (["-untrusted", "rest"] if chain[1:] else []) + ["leaf"], cwd=directory, capture_output=True,
                          check=False).returncode == 0


def faults(chain, key, root, directory):
    """What there is to say against an answer."""
    leaf, extensions = chain[0], {e.oid: e for e in chain[0].extensions}
    san, eku = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME), extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    says = {
        "key": leaf.public_key().public_bytes(*spki) != key.public_key().public_bytes(*spki),
        "names": san is None or san.value != SAN,
        "criticality": san is not None and not san.critical,
        "usages": eku is None or set(eku.value) != set(USAGES.values()),
        "ca": extensions[ExtensionOID.BASIC_CONSTRAINTS].value.ca,
        "expired": leaf.not_valid_after < now(),
        "early": leaf.not_valid_before > now(),
        "lifetime": leaf.not_valid_after - leaf.not_valid_before > TTL + 5 * MINUTE,
        "expired chain": any(c.not_valid_after < now() for c in chain[1:]),
        "outlives": any(c.not_valid_after < leaf.not_valid_after for c in chain[1:]),
        "openssl": not openssl_accepts(chain, root, directory),
    }
    return {fault for fault, found in says.items() if found}


# What is wrong with an answer, and whose certificates are in it, where that is not as with "good".
FAULTS = {
    "another-key": {"key"}, "another-id": {"names"}, "two-uris": {"names"}, "extra-dns": {"names"},
    "san-not-critical": {"criticality", "openssl"}, "ca": {"ca", "openssl"}, "no-eku": {"usages"}, "expired": {"expired"},
    "not-yet-valid": {"early"}, "too-long": {"lifetime"}, "expired-chain": {"expired chain", "outlives"}, "outlives-issuer": {"outlives"},
    "gap": {"openssl"}, "wrong-root": {"openssl"}, "garbage": {"key", "names", "usages", "ca", "lifetime", "openssl"},
}
CHAINS = {
    "leaf-only": "leaf", "duplicates": "leaf inner inner outer", "wrong-order": "leaf outer inner", "gap": "leaf outer",
    "root-included": "leaf inner outer root", "wrong-root": "leaf inner", "expired-chain": "leaf expired outer",
    "outlives-issuer": "leaf short outer", "garbage": "garbage",
}


@pytest.mark.parametrize("behaviour", sorted(set(BEHAVIOURS) - {"failed", "silent"}))
def test_signer(kube, signer, behaviour, tmp_path):
    signer.behaviour = behaviour
    title, key = file_approved(kube)
    chain = answer(kube, title)
    assert faults(chain, key, signer.root.certificate, tmp_path) == FAULTS.get(behaviour, set())
    assert common_names(chain) == CHAINS.get(behaviour, "leaf inner outer")


def test_signer_that_fails_is_silent_or_slow(kube, signer):
    signer.behaviour = "failed"
    title, _ = file_approved(kube)
    assert wait_for(lambda: condition(kube, title, "Failed")) == signer.failure
    signer.behaviour = "silent"
    title, _ = file_approved(kube)
    time.sleep(0.5)
    assert set(kube.csr(title)["status"]) == {"conditions"}
    signer.behaviour, signer.delay = "good", 0.5
    title, _ = file_approved(kube)
    began = time.monotonic()
    answer(kube, title)
    assert time.monotonic() - began > 0.4
    signer.delay = 0


def test_approvers(kube, signer):
    signer.behaviour = "good"
    with Approver(kube, SIGNER, delay=0.2):
        answer(kube, file_csr(kube)[0])
    with Approver(kube, "example.org/denied", approve=False, reason="Policy", message="not you"):
        title, _ = file_csr(kube, "example.org/denied")
        assert wait_for(lambda: condition(kube, title, "Denied")) == ("Policy", "not you")


def test_cert_manager(kube, tmp_path):
    title, key = file_approved(kube, kube.signer_name)
    chain = answer(kube, title)
    assert not faults(chain, key, kube.issuer_root.certificate, tmp_path)
    assert common_names(chain) == "leaf issuer-intermediate"
    title, _ = file_approved(kube, "clusterissuers.cert-manager.io/late")
    kube.create_cluster_issuer("late", Authority("late"))
    assert common_names(answer(kube, title)) == "leaf"
    kube.delete_cluster_issuer("late")


def test_tokens_and_pods(kube):
    pod = kube.create_pod("web", "shop-1", "shop", "node-1")
    assert pod["status"]["phase"] == "Running"
    token = kube.token_for("web", "shop", ["istio-ca"], pod="shop-1")
    status = kube.review(token, ["istio-ca"])
    assert status["authenticated"] and status["audiences"] == ["istio-ca"] and status["user"]["username"] == account_user("web", "shop")
    extra = {k.rsplit("/", 1)[1]: v for k, v in status["user"]["extra"].items()}
    assert (extra["pod-name"], extra["node-name"], extra["pod-uid"]) == (["shop-1"], ["node-1"], [pod["metadata"]["uid"]])
    assert "authenticated" not in kube.review(token) and "authenticated" not in kube.review(token, ["other"])
    key = next(jwt.PyJWK(k).key for k in kube.jwks()["keys"] if k["kid"] == jwt.get_unverified_header(token)["kid"])
    assert jwt.decode(token, key, ["RS256"], audience="istio-ca", issuer=kube.token_issuer)["kubernetes.io"]["pod"]["name"] == "shop-1"
    unseen = kube.token_for("web", "shop", ["istio-ca"], pod="shop-1")
    kube.delete_pod("web", "shop-1")
    assert "authenticated" not in kube.review(unseen, ["istio-ca"])


def test_credentials(kube):
    shop = account_user("web", "shop")
    directory = kube.in_cluster_dir("web", "shop")
    read = {f: (directory / f).read_text() for f in ("token", "ca.crt", "namespace")}
    assert read["namespace"] == "web" and read["ca.crt"] == kube.ca_pem
    assert Client(int(kube.env["KUBERNETES_SERVICE_PORT"]), read["ca.crt"], read["token"]).whoami()["username"] == shop
    kube.in_cluster_dir("web", "shop", directory)
    assert (directory / "token").read_text() != read["token"] and len(list(directory.glob("..[0-9]*"))) == 1

    by_data, by_file = kube.kubeconfig(token=read["token"]), kube.kubeconfig(token=read["token"], files=True)
    user = yaml.safe_load(by_data.read_text())["users"][0]["user"]
    assert kube.client(token=user["token"]).whoami()["username"] == shop
    user = yaml.safe_load(by_file.read_text())["users"][0]["user"]
    assert (by_file.parent / user["tokenFile"]).read_text() == read["token"]
    me = kube.client("jane", ["ops"]).whoami()
    assert me["username"] == "jane" and "ops" in me["groups"]
    status, refusal = kube.client().request("GET", "/api/v1/namespaces")
    assert status == 403 and refusal["kind"] == "Status"


def test_rights(kube):
    shop = kube.client(token=kube.token_for("web", "shop"))

    def may():
        asked = {"group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create"}
        spec = {"spec": {"resourceAttributes": asked}}
        return shop.api("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", spec)["status"]["allowed"]
    assert not may()
    kube.grant("filer", account_user("web", "shop"), CREATE)
    wait_for(may)
    title, _ = file_csr(shop)
    assert kube.csr(title)["spec"]["username"] == account_user("web", "shop")
    kube.delete_csr(title)
    assert title not in [c["metadata"]["name"] for c in kube.csrs(SIGNER)]
    kube.revoke("filer")
    wait_for(lambda: not may())


def test_api_server_dies_and_hangs(kube, signer):
    signer.behaviour = "good"
    title, _ = file_csr(kube)
    kube.apiserver.kill()
    with pytest.raises(OSError):
        kube.csr(title)
    kube.apiserver.start()
    kube.approve(title)
    answer(kube, title)
    impatient = kube.client("jane")
    impatient.timeout = 0.5
    kube.apiserver.pause()
    with pytest.raises(OSError):
        impatient.whoami()
    kube.apiserver.resume()
    assert impatient.whoami()["username"] == "jane"
    signer.errors.clear()


def test_two_clusters(kube):
    with Kube() as other:
        assert "web" not in json.dumps(other.api("GET", "/api/v1/namespaces"))
        assert "authenticated" not in other.review(kube.token_for("web", "shop"))
        assert other.ca_pem != kube.ca_pem
        processes = (other.etcd, other.apiserver, other.controllers)
    assert not other.dir.exists() and all(p.process.returncode for p in processes)


def test_what_does_not_come_up_says_why(tmp_path):
    with pytest.raises(AssertionError, match="kube-apiserver did not come up(.|\n)*no-such-flag"):
        with Kube(tmp_path, apiserver_args=["--no-such-flag"]):
            pass
    assert not list(tmp_path.iterdir())
