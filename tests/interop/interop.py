"""Starts daemons, lets the clients and verifiers of tests/interop at them, counts; called by tests/interop/run."""
import base64
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

from harness import Signet, certs_of, key_pem, make_csr, make_key, now, serial_hex, wait_for  # noqa: E402
from test_brought import CA, LOW, ROOT, UPPER, bring, cacerts, with_ca  # noqa: E402
from test_import import bring_in, pem, request, sign  # noqa: E402
from tokens import Issuer  # noqa: E402

WORK = pathlib.Path(os.environ["INTEROP_WORK"])
HERE = pathlib.Path(__file__).resolve().parent
ROOTS = ("p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096")
KEYS = ("p256", "p384", "ed25519", "rsa2048")
TRUST_DOMAIN = "example.org"
ID = f"spiffe://{TRUST_DOMAIN}/ns/web/sa/shop"
JOIN_ID = f"spiffe://{TRUST_DOMAIN}/vm/seven"
MAX_TTL_S = 90 * 86400  # cert.max_lifetime's default
JOIN_TOKENS = 10
TOOL_TIMEOUT_S = 300

counts = {"PASS": 0, "FAIL": 0}


# ---- tests and their lines ----

def report(word, line):
    counts[word] += 1
    print(("ok   " if word == "PASS" else "FAIL ") + line, flush=True)


def check(name, call, *args):
    """One test in this process."""
    try:
        call(*args)
        report("PASS", name)
    except Exception as e:  # pylint: disable=broad-except  # whatever it is, the test did not pass
        report("FAIL", f"{name}: {type(e).__name__} {e}")


def tool(title, *command):
    """A program that prints a line "PASS name" or "FAIL name: why" for each test; if it ends in another way, that is a failure."""
    said = []
    with open(WORK / "stderr", "ab") as log:
        try:
            process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=log, text=True)
        except OSError as e:
            report("FAIL", f"{title}: {e}")
            return
    killer = threading.Timer(TOOL_TIMEOUT_S, process.kill)
    killer.start()
    try:
        for line in process.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word in counts:
                said.append(word)
                report(word, rest)
        process.wait()
    finally:  # also when we are told to stop
        killer.cancel()
        process.kill()
        process.wait()
    if not said or (process.returncode != 0 and "FAIL" not in said):
        report("FAIL", f"{title}: ended with {process.returncode} after {len(said)} tests")


def run(*command, stdin=""):
    r = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True, errors="replace", timeout=60)
    return r.returncode, r.stdout + r.stderr


def must(*command, stdin=""):
    code, text = run(*command, stdin=stdin)
    if code != 0:
        raise AssertionError(text.strip()[-400:])
    return text


def must_not(*command):
    if run(*command)[0] == 0:
        raise AssertionError("accepted: " + " ".join(map(str, command)))


# ---- certificates of every root and key type ----

def revoke(s, leaf):
    """The first CRL after the revocation of this certificate."""
    number = s.api("GET", "/v1/crl")["number"]
    s.signet("cert", "revoke", "serial", serial_hex(certs_of(leaf)[0]), "--reason", "keyCompromise")
    wait_for(lambda: s.api("GET", "/v1/crl")["number"] > number)
    return s.api("GET", "/v1/crl")["pem"]


def crl_verify(at):
    must("certtool", "--verify-crl", "--load-ca-certificate", at / "issuer.pem", "--infile", at / "crl.pem")
    command = ["openssl", "verify", "-x509_strict", "-CAfile", at / "roots.pem", "-untrusted", at / "chain.pem", "-CRLfile", at / "crl.pem",
               "-crl_check"]
    must(*command, at / "leaf.pem")
    must_not(*command, at / "revoked.pem")


def write_samples(s, root, samples):
    """Fills samples/ROOT-KEY/ for each type of key: what was answered, and what was revoked."""
    revoked = s.ask(make_csr(make_key(), ID), token=s.token(ID))[0]
    crl = revoke(s, revoked)
    for kind in KEYS:
        key, at = make_key(kind), samples / f"{root}-{kind}"
        chain = s.ask(make_csr(key, ID), token=s.token(ID))
        at.mkdir(parents=True)
        for name, text in {"leaf": chain[0], "chain": "".join(chain[:-1]), "issuer": chain[1], "roots": chain[-1], "revoked": revoked,
                           "crl": crl, "key": key_pem(key).decode()}.items():
            (at / f"{name}.pem").write_text(text)
        (at / "id").write_text(ID + "\n")


def collect(root, samples):
    """Starts a daemon with such a root, fills samples/ROOT-KEY/, and lets TLS clients at its port."""
    with Signet(f"ca:\n  key_type: {root}\n") as s:
        write_samples(s, root, samples)
        anchors = samples / f"{root}-p256" / "roots.pem"
        check(f"openssl s_client: serving certificate under a {root} root", openssl_client, s.port, anchors)
        check(f"gnutls-cli: serving certificate under a {root} root", gnutls_client, s.port, anchors)
        tool("rustls", WORK / "interop-rust", "connect", f"127.0.0.1:{s.port}", samples / f"{root}-p256", root)
        return s.roots()


def collect_brought(samples):
    """Two intermediates between leaf and root; another root beside it."""
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        wait_for(lambda: s.admin("GET", "/v1/crl")[0] == 200)
        write_samples(s, "brought", samples)
        return s.roots()


def openssl_client(port, anchors):
    for version in ("-tls1_2", "-tls1_3"):
        text = must("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", anchors, "-verify_return_error", "-x509_strict",
                    "-verify_hostname", "localhost", "-alpn", "h2", version)
        if "ALPN protocol: h2" not in text or "Verify return code: 0 (ok)" not in text:
            raise AssertionError(text[-400:])
    must_not("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", anchors, "-verify_return_error", "-verify_hostname",
             "evil.example", "-alpn", "h2")


def gnutls_client(port, anchors):
    must("gnutls-cli", "--x509cafile", anchors, "--alpn", "h2", "--verify-hostname", "localhost", "-p", port, "127.0.0.1")
    must_not("gnutls-cli", "--x509cafile", anchors, "--alpn", "h2", "--verify-hostname", "evil.example", "-p", port, "127.0.0.1")


def openssl_verify(at):
    for purpose in ("sslserver", "sslclient"):
        command = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose, "-no-CAfile", "-no-CApath", "-trusted"]
        must(*command, at / "roots.pem", "-untrusted", at / "chain.pem", at / "leaf.pem")
        must_not(*command, at / "stranger.pem", "-untrusted", at / "chain.pem", at / "leaf.pem")


def gnutls_verify(at):
    for purpose in ("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"):  # serverAuth, clientAuth
        command = ["certtool", "--verify", "--verify-profile", "medium", "--verify-purpose", purpose]
        must(*command, "--load-ca-certificate", at / "roots.pem", "--infile", at / "chain.pem")
        must_not(*command, "--load-ca-certificate", at / "stranger.pem", "--infile", at / "chain.pem")


def by_root(title, samples, one):
    """One test for each root algorithm: `one` over its four certificates."""
    def all_keys(root):
        for kind in KEYS:
            try:
                one(samples / f"{root}-{kind}")
            except AssertionError as e:
                raise AssertionError(f"{root}-{kind}: {e}") from e
    for root in (*ROOTS, "brought"):
        check(f"{title}: certificates of a {root} root", all_keys, root)


def verifiers():
    samples = WORK / "samples"
    roots = {}

    def keep(root):
        roots[root] = collect(root, samples)
    for root in ROOTS:
        check(f"signetd: a {root} root and certificates for {', '.join(KEYS)}", keep, root)

    def keep_brought():
        roots["brought"] = collect_brought(samples)
    check("signetd: a CA that was brought, with two intermediates", keep_brought)
    if not roots:
        return
    for at in samples.iterdir():  # the root of another daemon with the same name: under it nothing may verify
        others = [r for r in roots if r != at.name.split("-")[0]]
        (at / "stranger.pem").write_text(roots[others[0]] if others else "")
    by_root("openssl verify -x509_strict", samples, openssl_verify)
    by_root("GnuTLS certtool --verify", samples, gnutls_verify)
    by_root("CRL: openssl verify -crl_check, certtool --verify-crl", samples, crl_verify)
    tool("go verifiers", WORK / "interop-go", "verify", samples)
    tool("rust verifiers", WORK / "interop-rust", "verify", samples)
    tool("python verifiers", pathlib.Path(os.environ["INTEROP_VENV"]) / "bin/python", HERE / "verify.py", samples)


# ---- clients ----

CONFIG = """
jwt_issuers:
  - name: cluster
    issuer: https://kubernetes.default.svc.cluster.local
    jwks_file: @DIR@/cluster.jwks
    audiences: [istio-ca]
    kind: kubernetes
policy:
  - name: join-token
    match: { method: join_token }
    spiffe_id: "{spiffe_id}"
  - name: renewal
    match: { method: mtls }
    spiffe_id: "{spiffe_id}"
  - name: nobody
    match: { method: jwt, k8s.namespace: forbidden }
    deny: true
  - name: ztunnel
    match: { method: jwt, k8s.namespace: istio-system, k8s.service_account: ztunnel }
    spiffe_id: "spiffe://{trust_domain}/ns/{k8s.namespace}/sa/{k8s.service_account}"
    impersonate: ["spiffe://example.org/ns/*/sa/*"]
  - name: kubernetes
    match: { method: jwt, k8s.namespace: "*", k8s.service_account: "*" }
    spiffe_id: "spiffe://{trust_domain}/ns/{k8s.namespace}/sa/{k8s.service_account}"
"""


def account(namespace, name):
    """Claims as the Kubernetes API server puts them into a projected token."""
    return {"sub": f"system:serviceaccount:{namespace}:{name}", "aud": ["istio-ca"], "jti": os.urandom(8).hex(),
            "kubernetes.io": {"namespace": namespace, "node": {"name": "node-1", "uid": "2-3"},
                              "pod": {"name": f"{name}-1", "uid": "0-1"}, "serviceaccount": {"name": name, "uid": "1-2"}}}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hs256(issuer, claims):
    """The old confusion: an HMAC under the public key, which everybody knows."""
    body = json.dumps({"iss": issuer.url, "exp": int(now().timestamp()) + 86400, **claims}).encode()
    signed = b64(json.dumps({"alg": "HS256", "kid": issuer.kid}).encode()) + "." + b64(body)
    secret = json.dumps(issuer.jwk()).encode()
    return signed + "." + b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


def tokens(issuer):
    shop = account("web", "shop")
    other = Issuer("https://other.example/x")
    stranger = Issuer(issuer.url)  # the same name and kid, another key
    return {
        "shop": issuer.token(shop),
        "ztunnel": issuer.token(account("istio-system", "ztunnel")),
        "denied": issuer.token(account("forbidden", "shop")),
        "expired": issuer.token(shop, lifetime=-3600),
        "audience": issuer.token({**shop, "aud": ["https://kubernetes.default.svc"]}),
        "issuer": other.token(shop),
        "stranger": stranger.token(shop),
        "none": b64(b'{"alg":"none"}') + "." + issuer.token(shop).split(".")[1] + ".",
        "hs256": hs256(issuer, shop),
        "eternal": issuer.token({**shop, "exp": None}),
        "sub3": issuer.token({**shop, "sub": "system:serviceaccount:web"}),
    }


def foreign_identity(path):
    """Chain and key of a CA that is not ours but claims our trust domain."""
    ca_key, key = make_key(), make_key()
    ca_name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, TRUST_DOMAIN)])

    def build(subject, public, extensions):
        b = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public).serial_number(x509.random_serial_number())
        b = b.not_valid_before(now() - datetime.timedelta(hours=1)).not_valid_after(now() + datetime.timedelta(days=1))
        for extension, critical in extensions:
            b = b.add_extension(extension, critical)
        return b.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM)

    ca = build(ca_name, ca_key.public_key(), [(x509.BasicConstraints(True, None), True)])
    leaf = build(x509.Name([]), key.public_key(), [
        (x509.BasicConstraints(False, None), True), (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(ID)]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)])
    path.write_bytes(leaf + ca + key_pem(key))


def clients():
    s = Signet(CONFIG)
    issuer = Issuer("https://kubernetes.default.svc.cluster.local", "RS256")
    issuer.write(s.dir).rename(s.dir / "cluster.jwks")
    with s:
        children = {role: sorted(s.pids(role)) for role in ("front", "keeper", "admin")}
        (WORK / "roots.pem").write_text(s.roots())
        foreign_identity(WORK / "foreign.pem")
        case = {"address": f"localhost:{s.port}", "trust_domain": TRUST_DOMAIN, "roots_file": str(WORK / "roots.pem"), "dir": str(WORK / "scratch"),
                "jwt": tokens(issuer), "join": [s.token(JOIN_ID) for _ in range(JOIN_TOKENS)], "join_id": JOIN_ID,
                "foreign": str(WORK / "foreign.pem"), "max_ttl_s": MAX_TTL_S}
        (WORK / "scratch").mkdir()
        (WORK / "case.json").write_text(json.dumps(case))
        tool("go clients", WORK / "interop-go", "client", WORK / "case.json")
        tool("go server", WORK / "interop-go", "server", s.bin / "signet", WORK / "scratch")

        def same_children():
            after = {role: sorted(s.pids(role)) for role in children}
            if after != children or not all(children.values()):
                raise AssertionError(f"{children} before, {after} after")
        check("signetd: no process ended or began under all this", same_children)

        def stops():
            code = s.stop()
            if code != 0:
                raise AssertionError(f"ended with {code}")
        check("signetd: stops cleanly afterwards", stops)


# ---- a rotation ----

MESH_VALIDITY_S = 4


class GoMesh:
    """Workloads written in Go; they run while the block does."""

    def __init__(self, s):
        ids = [f"spiffe://{TRUST_DOMAIN}/ns/web/sa/w{i}" for i in range(6)]
        (WORK / "roots.pem").write_text(s.roots())
        (WORK / "mesh.json").write_text(json.dumps({
            "address": f"localhost:{s.port}", "trust_domain": TRUST_DOMAIN, "roots_file": str(WORK / "roots.pem"), "identities": ids,
            "join": [s.token(i) for i in ids], "validity_s": MESH_VALIDITY_S}))
        self.round, self.said = 0, 0

    def __enter__(self):
        self.log = open(WORK / "stderr", "ab")
        self.process = subprocess.Popen([WORK / "interop-go", "mesh", WORK / "mesh.json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.rounds(1)
        return self

    def read(self):
        for line in self.process.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "ROUND":
                self.round = int(rest)
            elif word in counts:
                self.said += 1
                report(word, rest)

    def rounds(self, n=2):
        """Until everybody has renewed so many times, or the program has ended."""
        want = self.round + n
        wait_for(lambda: self.round >= want or self.process.poll() is not None, 60)

    def __exit__(self, *_):
        self.process.stdin.close()
        killer = threading.Timer(60, self.process.kill)
        killer.start()
        self.process.wait()
        killer.cancel()
        self.reader.join()
        self.log.close()
        if self.said != 2:
            report("FAIL", f"go workloads: ended with {self.process.returncode} after {self.said} tests")


def step(s, *command):
    wait_for(lambda: s.signet("root", *command, check=False).returncode == 0, 60)


def rotation():
    """Prepare, activate, retire; an intermediate that is imported, and renewed; CRLs stay whole all the while."""
    def whole():
        with Signet("ca: { rotation: manual }\n") as s:
            with GoMesh(s) as mesh:
                s.signet("root", "prepare")
                step(s, "activate")
                mesh.rounds()
                step(s, "retire")
                mesh.rounds()
                s.signet("root", "prepare", "--cross-sign")
                s.signet("root", "activate")
                mesh.rounds()
                root = CA("Rotation Root")
                (s.dir / "added.pem").write_text(root.pem)
                s.signet("root", "add", s.dir / "added.pem")
                mesh.rounds()
                imported = pem(sign(request(s), root))
                wait_for(lambda: bring_in(s, imported, root.pem, check=False).returncode == 0, 60)
                mesh.rounds()
                bring_in(s, pem(sign(request(s), root)), root.pem)
                mesh.rounds()
    check("signetd: a whole rotation, then an imported intermediate, and its renewal", whole)

    def directory():
        other = CA("Second Root")
        low = CA("Second Low", other)
        with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
            with GoMesh(s) as mesh:
                bring(s.dir / "ca", cacerts(LOW, [LOW, UPPER], [ROOT, other]))
                wait_for(lambda: s.events("roots_changed"), 30)
                bring(s.dir / "ca", cacerts(low, [low], [other]))
                wait_for(lambda: s.events("ca_replaced"), 60)
                mesh.rounds()
    check("signetd: a new cacerts set under another root", directory)


# ---- Prometheus ----

def prometheus():
    """Its own tool on our rules, and on what a daemon exposes (names that end otherwise are Istio's)."""
    rules = HERE.parent.parent / "deploy/prometheus/alerts.yaml"
    check("promtool: the alerts are good rules", must, WORK / "promtool", "check", "rules", rules)
    check("promtool: the alerts go off when they must, and only then", must, WORK / "promtool", "test", "rules",
          HERE / "prometheus/rules_test.yaml")

    def metrics():
        with Signet() as s:
            text = s.http("/metrics")[1]
        _, told = run(WORK / "promtool", "check", "metrics", stdin=text)
        assert text and not [line for line in told.splitlines() if not line.startswith("citadel_server_")], told
    check("promtool: the metrics are well formed and well named", metrics)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that daemons and tools are stopped on the way out
    for part in (prometheus, clients, rotation, verifiers):
        try:
            part()
        except Exception as e:  # pylint: disable=broad-except
            report("FAIL", f"{part.__name__}: {type(e).__name__} {e}")
    if counts["FAIL"] and (WORK / "stderr").exists():
        sys.stderr.write((WORK / "stderr").read_text(errors="replace")[-4000:])
    print(f"interop: {counts['PASS']} passed, {counts['FAIL']} failed")
    return 0 if counts["PASS"] and not counts["FAIL"] else 1


if __name__ == "__main__":
    sys.exit(main())
