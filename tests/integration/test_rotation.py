"""A whole rotation, under load, with clients that know nothing but what answers told them."""
import json
import random
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from harness import Signet, certs_of, key_pem, make_csr, make_key, points_build, wait_for
from test_brought import CA, DAY, LOW, ROOT, UPPER, bring, cacerts, verify, with_ca
from test_import import bring_in, pem, request, sign

LIFETIME = 4  # seconds; the clients renew when half of it is over


def signed_by(cert, issuer):
    key, args = issuer.public_key(), (cert.signature, cert.tbs_certificate_bytes)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*args, ec.ECDSA(cert.signature_hash_algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(*args, padding.PKCS1v15(), cert.signature_hash_algorithm)
        else:
            assert isinstance(key, ed25519.Ed25519PublicKey)
            key.verify(*args)
        return cert.issuer == issuer.subject
    except Exception:
        return False


def verifies(shown, roots):
    """Does what a peer shows (its leaf, then whatever it sends) lead to one of these roots?"""
    at = shown[0]
    for _ in range(8):
        if any(signed_by(at, root) for root in roots):
            return True
        above = [c for c in shown[1:] if c.subject == at.issuer and signed_by(at, c) and c != at]
        if not above:
            return False
        at = above[0]
    return False


class Client(threading.Thread):
    """One workload, as Istio's agents are: it renews with the certificate that it has, and trusts the roots of its last answer."""

    def __init__(self, mesh, n):
        super().__init__()
        self.mesh, self.id = mesh, f"spiffe://example.org/ns/a/sa/c{n}"
        self.key, self.chain, self.roots, self.count, self.failed = None, None, None, 0, None
        self.take(mesh.s.roots(), token=mesh.s.token(self.id))

    def take(self, roots, **how):
        key = make_key()
        channel = self.mesh.s.channel(roots=roots, **({} if "token" in how else {"key": key_pem(self.key), "chain": self.shown_pem()}))
        with channel:
            chain = self.mesh.s.ask(make_csr(key, self.id), channel=channel, validity=LIFETIME, **how)
        new_roots = certs_of(chain[-1])
        shown = [certs_of(c)[0] for c in chain[:-1]]
        assert verifies(shown, new_roots), f"{self.id}: its own answer does not verify"
        with self.mesh.lock:
            self.key, self.chain, self.roots = key, chain, new_roots
            self.count += 1
            self.mesh.check(self)

    def shown(self):
        return [certs_of(c)[0] for c in self.chain[:-1]]

    def shown_pem(self):
        return "".join(self.chain[:-1]).encode()

    def run(self):
        try:
            while not self.mesh.over:
                time.sleep(LIFETIME / 2 * random.uniform(0.5, 1))
                self.take(self.chain[-1])
        except Exception as e:
            self.failed = repr(e)


class Mesh:
    """Everybody verifies everybody, by what each knows at that moment."""

    def __init__(self, s, size=6):
        self.s, self.lock, self.over, self.clients, self.broken = s, threading.Lock(), False, [], []
        self.clients = [Client(self, n) for n in range(size)]
        [c.start() for c in self.clients]

    def check(self, new):
        for c in self.clients:
            if c.chain is None or c is new:
                continue
            for a, b in ((c, new), (new, c)):
                if not verifies(a.shown(), b.roots):
                    self.broken.append(f"{b.id} cannot verify {a.id}")

    def rounds(self, n=2):
        """Until everybody has renewed so many times."""
        before = [c.count for c in self.clients]
        wait_for(lambda: self.trouble() or all(c.count >= b + n for c, b in zip(self.clients, before)), 60)
        assert self.trouble() == []

    def trouble(self):
        return self.broken + [c.failed for c in self.clients if c.failed]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        [c.join() for c in self.clients]


def when_allowed(s, *command):
    """Again and again, as the manual tells; how long it took."""
    start = time.monotonic()
    wait_for(lambda: s.signet("root", *command, check=False).returncode == 0, 60)
    return time.monotonic() - start


def states(s):
    return [r["state"] for r in json.loads(s.signet("root", "status", "-o", "json").stdout)["items"]]


MANUAL = "ca: {{ key_type: {}, rotation: manual }}\n"


@pytest.mark.parametrize("kind", ["p256", "ed25519", "rsa2048"])
def test_nobody_notices_a_rotation(kind, tmp_path):
    with Signet(MANUAL.format(kind)) as s:
        first = s.roots()
        with Mesh(s) as mesh:
            mesh.rounds(1)
            s.signet("root", "prepare")
            early = s.signet("root", "activate", check=False)
            assert early.returncode == 1 and "before this root was published" in early.stderr
            took = when_allowed(s, "activate")
            assert took < 3 * LIFETIME
            mesh.rounds()
            assert states(s).count("old") == 1
            when_allowed(s, "retire")
            mesh.rounds()
        assert mesh.trouble() == []
        assert all(len(c.roots) == 1 and c.roots[0] != certs_of(first)[0] for c in mesh.clients)
        assert [e["event"] for e in s.pages("/v1/events?limit=10")][:3] == ["root_retired", "root_activated", "root_prepared"]


def test_with_a_cross_certificate_the_next_root_signs_at_once():
    with Signet(MANUAL.format("p256")) as s:
        with Mesh(s) as mesh:
            mesh.rounds(1)
            s.signet("root", "prepare", "--cross-sign")
            s.signet("root", "activate")  # who knows only the old root verifies by the cross-certificate
            mesh.rounds()
            when_allowed(s, "retire")
            mesh.rounds()
        assert mesh.trouble() == []


def test_there_and_back():
    with Signet(MANUAL.format("p256")) as s:
        old = s.api("GET", "/v1/root-set")["items"][0]["id"]
        with Mesh(s) as mesh:
            mesh.rounds(1)
            s.signet("root", "prepare")
            when_allowed(s, "activate")
            mesh.rounds(1)
            s.signet("root", "activate", old)
            mesh.rounds()
        assert mesh.trouble() == []


def test_intermediates_are_renewed_and_moved_to_another_root():
    """An imported intermediate, its renewal with a new key, then one under another root, which clients must learn first."""
    other = CA("Other Root")
    with Signet(MANUAL.format("p256")) as s:
        bring_in(s, pem(sign(request(s))), ROOT.pem)
        with Mesh(s) as mesh:
            mesh.rounds(1)
            bring_in(s, pem(sign(request(s))), ROOT.pem)
            mesh.rounds(1)
            (s.dir / "other.pem").write_text(other.pem)
            s.signet("root", "add", s.dir / "other.pem")
            mesh.rounds(1)
            chain = pem(sign(request(s), other))
            wait_for(lambda: bring_in(s, chain, other.pem + ROOT.pem, check=False).returncode == 0, 60)
            mesh.rounds()
        assert mesh.trouble() == []
        assert all(other.cert in c.roots for c in mesh.clients)


def test_a_directory_is_changed_step_by_step_to_another_root():
    other = CA("Other Root")
    low = CA("Other Low", other)
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        with Mesh(s) as mesh:
            mesh.rounds(1)
            bring(s.dir / "ca", cacerts(LOW, [LOW, UPPER], [ROOT, other]))
            wait_for(lambda: len(s.events("roots_changed")) == 1)
            bring(s.dir / "ca", cacerts(low, [low], [other]))  # too early; taken when it can be, and the old root stays as long
            wait_for(lambda: s.events("ca_replaced"), 60)
            mesh.rounds()
            wait_for(lambda: all(r == [other.cert] for r in [c.roots for c in mesh.clients]), 60)
            mesh.rounds()
        assert mesh.trouble() == []


def test_a_mesh_migrates_from_istio():
    """An exported istio-ca-secret signs first; then a root that Signet makes."""
    mesh_root = CA("cluster.local", rsa_key=True)
    files = {"ca-cert.pem": mesh_root.pem, "ca-key.pem": mesh_root.key_pem(), "root-cert.pem": mesh_root.pem, "cert-chain.pem": ""}
    with Signet() as s:  # it has a root of its own from the time before
        assert s.stop() == 0
        bring(s.dir / "ca", files)
        s.write_config("ca: { directory: @DIR@/ca }\n")
        s.start()
        with Mesh(s) as mesh:
            mesh.rounds()
        assert mesh.trouble() == []
        assert all(mesh_root.cert in c.roots for c in mesh.clients)


def test_front_certificates_follow_and_a_front_that_is_behind_holds_the_old_root():
    with Signet(MANUAL.format("p256")) as s:
        s.signet("root", "prepare")
        when_allowed(s, "activate")
        when_allowed(s, "retire")  # nothing but the fronts' own was under it
        chain = s.ask(make_csr(make_key(), "spiffe://example.org/x"), token=s.token("spiffe://example.org/x"), channel=s.channel(roots=s.roots()))
        assert len(certs_of(chain[-1])) == 1


@pytest.mark.parametrize("point", ["before-roots", "after-roots", "before-commit", "after-commit"])
def test_killed_in_a_rotation(point):
    """Its service manager starts it again: a step is made, with its event, or it is not; nobody is stranded."""
    for n in range(1, 5):
        s = Signet(MANUAL.format("p256"), build=points_build())
        with s:
            ids = ["spiffe://example.org/ns/a/sa/c%d" % i for i in range(3)]
            held = {i: s.ask(make_csr(make_key(), i), token=s.token(i), validity=60) for i in ids}
            assert s.stop() == 0
            s.env["SIGNET_TEST_KILL"] = f"{point}:{n}"
            steps = [("prepare",), ("activate", "--force"), ("retire", "--force")]
            died = False
            try:
                s.start()
                for step in steps:
                    s.signet("root", *step)
            except AssertionError:
                died = True
            s.env.pop("SIGNET_TEST_KILL")
            assert died or n > 3 or "commit" in point
            if died:
                assert s.process.wait(20) in (3, 4)
                s.start()
            told = [e["event"] for e in s.pages("/v1/events?limit=100")]
            seq = s.api("GET", "/v1/root-set")["seq"]
            assert seq == 1 + len([t for t in told if t.startswith("root_") and t != "root_created"]), (told, seq)
            for i in ids:
                chain = s.ask(make_csr(make_key(), i), token=s.token(i), channel=s.channel(roots=s.roots()))
                assert verifies([certs_of(c)[0] for c in chain[:-1]], certs_of(chain[-1]))
            assert all(held.values())
