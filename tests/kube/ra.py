"""Signet as the registration authority of a real cluster: its configuration, those who ask it, and what must be true of answers."""
import os
import signal
import subprocess

import yaml
from cryptography import x509

from harness import PATH, Signet, certs_of, decode_response, encode_request, make_csr, make_key, san_uris, wait_for
from kube import CSRS
from pki import key_pem, name, new_key, pem

ID = "spiffe://example.org/ns/web/sa/shop"
CLUSTER = "Kubernetes"  # istiod's name for its own
LONG_S = 120  # what may take long on a machine that others load
CSR_GROUP = "certificates.k8s.io"
RIGHTS = [
    {"apiGroups": [CSR_GROUP], "resources": ["certificatesigningrequests"], "verbs": ["create", "get", "list", "watch", "delete"]},
    {"apiGroups": [CSR_GROUP], "resources": ["certificatesigningrequests/approval"], "verbs": ["update", "patch"]},
    {"apiGroups": [CSR_GROUP], "resources": ["signers"], "resourceNames": ["clusterissuers.cert-manager.io/*", "example.org/*"],
     "verbs": ["approve"]},
    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {"nonResourceURLs": ["/openid/v1/jwks", "/.well-known/openid-configuration"], "verbs": ["get"]},
]


# ---- configuration ----

def issuer(kube, name, signer_name, root, **settings):
    """An entry of `issuers`; root: a certificate, or None."""
    entry = {"name": name, "cluster": CLUSTER, "signer_name": signer_name, "deadline": f"{LONG_S}s", **settings}
    if root:
        path = kube.dir / f"root-{root.serial_number:x}.pem"
        path.write_text(pem(root))
        entry["roots_file"] = str(path)
    return entry


def mesh(kube, **settings):
    """The one that cert-manager signs for."""
    return issuer(kube, "mesh", kube.signer_name, kube.issuer_root.certificate, **settings)


def accounts(kube, **settings):
    """An entry of `jwt_issuers`: the cluster's service accounts."""
    return {"name": "accounts", "issuer": kube.token_issuer, "kind": "kubernetes", "cluster": CLUSTER, "audiences": ["istio-ca"], **settings}


def rule(issuers, name="accounts", match=None, **settings):
    """Who has a service account gets its ID."""
    return {"name": name, "match": match or {"method": "jwt", "k8s.namespace": "*"}, "issuers": list(issuers),
            "spiffe_id": "spiffe://{trust_domain}/ns/{k8s.namespace}/sa/{k8s.service_account}", **settings}


def config(kube, *issuers, **keys):
    """YAML; keys: whatever is to be otherwise at the top level.  The first issuer is the default one, and all may be chosen, of a domain
    those whose names begin with "go"."""
    names = [i["name"] + ("/go*" if "signer_domain" in i else "") for i in issuers]
    renewal = {"name": "renewal", "match": {"method": "mtls"}, "spiffe_id": "{spiffe_id}", "issuers": names}
    defaults = {"clusters": [{"id": CLUSTER, "kubeconfig": str(kube.kubeconfig("signet"))}], "issuers": list(issuers),
                "jwt_issuers": [accounts(kube)], "policy": [rule(names), renewal], "default_issuer": issuers[0]["name"]}
    return yaml.safe_dump({**defaults, **keys}, sort_keys=False)


# ---- a daemon, and those who ask ----

class Request:
    """One that is under way, for a key of its own."""

    def __init__(self, ra, token, signer=None, spiffe_id=ID, channel=None, headers=(), metadata=None, timeout=LONG_S):
        self.ra, self.key, self.spiffe_id = ra, make_key(), spiffe_id
        self.channel = channel or ra.shared_channel()
        call = self.channel.unary_unary(PATH, request_serializer=lambda b: b, response_deserializer=decode_response)
        fields = {**({"CertSigner": signer} if signer else {}), **(metadata or {})}
        self.future = call.future(encode_request(make_csr(self.key, spiffe_id), metadata=fields or None), timeout=timeout,
                                  metadata=[*headers, ("authorization", "Bearer " + token)])

    def refusal(self):
        """(code's name, text)"""
        error = self.future.exception()
        assert error is not None, "it was answered"
        return error.code().name, error.details()

    def chain(self):
        """The certificates of the answer, the leaf first, without the roots; for our key and ID."""
        elements = self.future.result()
        parts = [certs_of(e) for e in elements[:-1]]
        assert parts and all(len(p) == 1 for p in parts), "one certificate an element, as ztunnel has it"
        assert elements[-1] == self.ra.roots(), "the last one is the bundle"
        chain = [p[0] for p in parts]
        assert chain[0].public_key().public_numbers() == self.key.public_key().public_numbers()
        assert san_uris(chain[0]) == [self.spiffe_id]
        return chain

    def certificate(self, root):
        """The leaf, held to all that a client can see."""
        chain = self.chain()
        leaf = chain[0]
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        for file, certificates in (("leaf", chain[:1]), ("rest", chain[1:]), ("root", [root])):
            (self.ra.dir / file).write_text(pem(*certificates))
        command = ["openssl", "verify", "-x509_strict", "-CAfile", "root", *(["-untrusted", "rest"] if chain[1:] else []), "leaf"]
        subprocess.run(command, cwd=self.ra.dir, check=True, capture_output=True)
        assert self.ra.record_of(leaf)["spiffe_id"] == self.spiffe_id
        return leaf


class Ra(Signet):
    """A daemon as in harness.py, with one connection for all that is asked.  serving: an Authority; its certificate is served, and the
    keeper signs none at start."""
    connection = None

    def __init__(self, text, serving=None, **more):
        self.serving = serving
        super().__init__(text, **more)

    def write_config(self, extra=""):
        if self.serving:
            key = new_key()
            names = [x509.DNSName("localhost")]
            (self.dir / "serving.pem").write_text(pem(self.serving.sign(name("signet"), key.public_key(), names=names)))
            (self.dir / "serving.key").write_text(key_pem(key))
            extra += "tls: { cert_file: '@DIR@/serving.pem', key_file: '@DIR@/serving.key' }\n"
        super().write_config(extra)

    def shared_channel(self):
        if self.connection is None:
            self.connection = self.channel(roots=pem(self.serving.certificate) if self.serving else None)
        return self.connection

    def stop(self, *args, **kwargs):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        return super().stop(*args, **kwargs)

    def start_ask(self, token, signer=None, **more):
        return Request(self, token, signer, **more)

    def courier(self):
        return wait_for(lambda: self.pids("courier"), LONG_S)[0]

    def kill_courier(self):
        """Until there is another one."""
        old = self.courier()
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: self.courier() != old, LONG_S)

    def kill_all(self):
        """As a machine that loses its power, but that what is in the page cache stays."""
        everybody = [self.process.pid] + [p for role in ("keeper", "front", "admin", "courier") for p in self.pids(role)]
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{p}/exe") for p in everybody), LONG_S)


# ---- what is in the cluster ----

def ours(kube):
    """What Signet has filed, but what it was told to keep."""
    return kube.api("GET", CSRS + "?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dsignet%2C%21signet.dev%2Fafter")["items"]


def filed(kube, signer_name, count=1):
    """Objects once there are so many."""
    return wait_for(lambda: len(kube.csrs(signer_name)) >= count and kube.csrs(signer_name), LONG_S)


def pending(ra):
    """Requests that the keeper has in hand, of all issuers."""
    values = [line.rsplit(" ", 1)[1] for line in ra.http("/metrics")[1].splitlines() if line.startswith("signet_issuer_requests_pending{")]
    assert values
    return sum(map(float, values))


def nothing_is_left(kube, ra):
    """Neither in the cluster nor in the keeper's hands."""
    wait_for(lambda: not ours(kube), LONG_S)
    wait_for(lambda: pending(ra) == 0, LONG_S)
