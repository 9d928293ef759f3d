"""An offline root and an online intermediate: the key is made in the daemon, the parent signs the request, the chain is imported."""
import datetime
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from harness import Signet, certs_of, make_key, points_build, wait_for
from test_brought import CA, DAY, LOW, PEM, ROOT, UPPER, Load, cacerts, issue, verify, with_ca


def request(s):
    csr = x509.load_pem_x509_csr(s.signet("ca", "csr").stdout.encode())
    assert csr.is_signature_valid
    return csr


def sign(csr, issuer=ROOT, days=365, **how):
    """As a careful parent does: the extensions of the request, and its own key identifiers."""
    now = datetime.datetime.utcnow()
    b = (x509.CertificateBuilder().subject_name(csr.subject).issuer_name(issuer.name).serial_number(x509.random_serial_number())
         .public_key(how.get("key", csr.public_key())).not_valid_before(now - DAY).not_valid_after(now + days * DAY))
    for e in csr.extensions:
        if not (how.get("bare") and isinstance(e.value, x509.BasicConstraints)):
            b = b.add_extension(e.value, e.critical)
    if not how.get("no_ski"):
        b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(csr.public_key()), False)
    b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False)
    return b.sign(issuer.key, hashes.SHA256())


def spki(it):
    return it.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem(*certs):
    return "".join(c.public_bytes(PEM).decode() for c in certs)


def bring_in(s, chain, roots, *more, check=True):
    (s.dir / "chain.pem").write_text(chain)
    (s.dir / "roots.pem").write_text(roots)
    return s.signet("ca", "import", s.dir / "chain.pem", "--roots", s.dir / "roots.pem", *more, check=check)


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa2048"])
def test_the_parent_signs_and_clients_verify_by_the_root_alone(kind, tmp_path):
    with Signet(f"ca:\n  key_type: {kind}\n") as s:
        csr = request(s)
        assert csr.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
        usage = csr.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.key_cert_sign and usage.crl_sign and not usage.digital_signature
        assert csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.UniformResourceIdentifier) == ["spiffe://example.org"]
        (tmp_path / "csr").write_bytes(csr.public_bytes(PEM))
        subprocess.run(["openssl", "req", "-verify", "-noout", "-in", tmp_path / "csr"], check=True, capture_output=True)
        cert = sign(csr, UPPER)
        bring_in(s, pem(cert) + UPPER.pem, ROOT.pem)
        wait_for(lambda: s.events("ca_replaced"))

        def by_the_root():  # the fronts' own certificates follow
            try:
                return issue(s, roots=ROOT.pem)[1]
            except Exception:
                return None
        chain = wait_for(by_the_root)
        assert [certs_of(c)[0] for c in chain[1:]] == [cert, UPPER.cert, ROOT.cert]
        verify(chain, ROOT.pem, tmp_path)
        seq = s.api("GET", "/v1/roots")["seq"]
        assert s.stop() == 0  # and it is there again
        s.start()
        assert s.events("ca_loaded")
        chain = issue(s, roots=ROOT.pem)[1]
        assert certs_of(chain[1])[0] == cert and s.api("GET", "/v1/roots")["seq"] == seq
        verify(chain, ROOT.pem, tmp_path)


def test_it_is_the_same_key_until_it_is_imported_and_a_new_one_after():
    with Signet() as s:
        first = request(s)
        assert spki(request(s)) == spki(first)
        assert s.stop() == 0
        s.start()
        assert spki(request(s)) == spki(first), "the parent may take its time"
        bring_in(s, pem(sign(first)), ROOT.pem)
        second = request(s)
        assert spki(second) != spki(first)
        assert spki(certs_of(issue(s)[1][1])[0]) == spki(first)
        bring_in(s, pem(sign(second)), ROOT.pem)  # renewal, with a new key
        assert spki(certs_of(issue(s)[1][1])[0]) == spki(second)


def test_the_documented_commands_work(tmp_path):
    with Signet() as s:
        s.signet("ca", "csr", "--out", s.dir / "ca.csr")
        (s.dir / "root.crt").write_text(ROOT.pem)
        (s.dir / "root.key").write_text(ROOT.key_pem())
        (s.dir / "ext").write_text("subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        subprocess.run("openssl x509 -req -in ca.csr -CA root.crt -CAkey root.key -days 365 -copy_extensions copyall -extfile ext "
                       "-out ca.crt".split(), check=True, capture_output=True, cwd=s.dir)
        s.signet("ca", "import", s.dir / "ca.crt", "--roots", s.dir / "root.crt")
        verify(issue(s)[1], ROOT.pem, tmp_path)
        assert not s.events("ca_warning")
        # without key identifiers it works, with a warning
        bring_in(s, pem(sign(request(s), no_ski=True)), ROOT.pem)
        assert [e for e in s.events("ca_warning") if "no subject key identifier" in e["what"]]
        issue(s)


REFUSALS = {
    "another key": (lambda csr: pem(sign(csr, key=make_key().public_key())), ROOT.pem, "not for the key of the request"),
    "no CA": (lambda csr: pem(sign(csr, bare=True)), ROOT.pem, "no CA certificate"),
    "a gap": (lambda csr: pem(sign(csr, UPPER)), ROOT.pem, "the chain breaks here"),
    "ended": (lambda csr: pem(sign(csr, days=-0.5)), ROOT.pem, "it ended on"),
    "another root": (lambda csr: pem(sign(csr)), CA("Root").pem, "did not sign it"),
    "nothing": (lambda csr: "hello\n", ROOT.pem, "no certificate in it"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_good_is_refused_and_the_request_stays_open(name):
    chain, roots, what = REFUSALS[name]
    with Signet() as s:
        csr, before = request(s), s.roots()
        r = bring_in(s, chain(csr), roots, check=False)
        assert r.returncode == 1 and what in r.stderr, r.stderr
        assert s.roots() == before and s.api("GET", "/v1/roots")["seq"] == 1
        issue(s)
        refused = bring_in(s, pem(sign(csr)), ROOT.pem, check=False)  # who was just answered does not know this root
        assert refused.returncode == 1 and "before its root was published" in refused.stderr
        dry = bring_in(s, pem(sign(csr)), ROOT.pem, "--dry-run", check=False)
        assert dry.returncode == 1 and "It would break 1 certificate of 1 identity" in dry.stdout and "spiffe://example.org/ns/a/sa/b\n" in dry.stdout
        assert "It breaks 1 certificate of 1 identity" in bring_in(s, pem(sign(csr)), ROOT.pem, "--force").stdout


def test_an_import_without_a_request_is_refused():
    with Signet() as s:
        r = bring_in(s, ROOT.pem, ROOT.pem, check=False)
        assert r.returncode == 1 and "signet ca csr" in r.stderr


def test_with_a_directory_there_is_nothing_to_import():
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        for r in (s.signet("ca", "csr", check=False), bring_in(s, ROOT.pem, ROOT.pem, check=False)):
            assert r.returncode == 1 and "ca.directory" in r.stderr


def test_another_key_encryption_key_opens_no_imported_key():
    with Signet() as s:
        bring_in(s, pem(sign(request(s))), ROOT.pem)
        assert s.stop() == 0
        kek = s.dir / "data/key-encryption-key"
        kek.chmod(0o600)
        kek.write_bytes(bytes(32))
        kek.chmod(0o400)
        s.spawn()
        assert s.process.wait(20) == 4
        assert "another key-encryption key" in s.log()


def test_no_request_fails_while_intermediates_are_renewed():
    with Signet() as s:
        bring_in(s, pem(sign(request(s))), ROOT.pem)
        wait_for(lambda: len(s.events("ca_replaced")) == 1)

        def by_the_root():
            try:
                return issue(s, roots=ROOT.pem)
            except Exception:
                return None
        wait_for(by_the_root)
        with Load(s) as load:
            for i in range(4):
                wait_for(lambda: load.count > 20 * i or load.failed)
                bring_in(s, pem(sign(request(s))), ROOT.pem)
            n = load.count
            wait_for(lambda: load.count > n + 20 or load.failed)
        assert load.failed == []
        assert len(load.signers) >= 4


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
def test_killed_at_any_commit_it_is_the_old_ca_or_the_new_one(point, tmp_path):
    """And if it is the old one, the same certificate can be imported again, if the request was ever answered."""
    seen = set()
    for n in range(2, 10):
        s = Signet(build=points_build(), env={"SIGNET_TEST_KILL": f"{point}:{n}"})
        try:
            csr = None
            try:
                s.start()
                csr = request(s)
                bring_in(s, pem(sign(csr)), ROOT.pem)
                s.stop()
            except AssertionError:
                assert s.process.wait(20) in (3, 4)  # killed: while starting, asking, or taking over
            s.env.pop("SIGNET_TEST_KILL")
            s.start()
            new = s.roots() == ROOT.pem
            seen.add((csr is not None, new))
            if not new and csr is not None:
                assert spki(request(s)) == spki(csr)
                bring_in(s, pem(sign(csr)), ROOT.pem)
                new = True
            chain = issue(s)[1]
            verify(chain, s.roots(), tmp_path)
            assert (len(chain) == 3) == new
        finally:
            s.__exit__()
    assert (True, True) in seen and len(seen) > 1, seen


def test_two_who_ask_at_once_get_requests_for_one_key():
    with Signet() as s:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(s.signet("ca", "csr").stdout)) for _ in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        keys = {x509.load_pem_x509_csr(a.encode()).public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
                for a in answers}
        assert len(answers) == 4 and len(keys) == 1
