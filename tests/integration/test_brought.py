"""A CA that the operator brings: every layout, clients that verify whole chains, and another CA on SIGHUP under load."""
import datetime
import json
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from harness import Signet, certs_of, make_csr, make_key, wait_for

ID = "spiffe://example.org/ns/a/sa/b"
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM


class CA:
    """Made by Python's cryptography, as an operator's own CA would be."""

    def __init__(self, name, issuer=None, days=3650, key=None, start=-1, rsa_key=False):
        self.key = key or (rsa.generate_private_key(65537, 2048) if rsa_key else make_key())
        self.name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
        self.issuer = issuer or self
        now = datetime.datetime.utcnow()
        public = self.key.public_key()
        self.cert = (x509.CertificateBuilder().subject_name(self.name).issuer_name(self.issuer.name)
                     .serial_number(x509.random_serial_number()).public_key(public).not_valid_before(now + start * DAY)
                     .not_valid_after(now + datetime.timedelta(days=days))
                     .add_extension(x509.BasicConstraints(True, None), True)
                     .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
                     .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
                     .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer.key.public_key()), False)
                     .sign(self.issuer.key, hashes.SHA256()))
        self.pem = self.cert.public_bytes(PEM).decode()

    def key_pem(self, form=serialization.PrivateFormat.PKCS8, encryption=None):
        return self.key.private_bytes(PEM, form, encryption or serialization.NoEncryption()).decode()


OLD = serialization.PrivateFormat.TraditionalOpenSSL
ROOT = CA("Root")
UPPER = CA("Upper", ROOT)
LOW = CA("Low", UPPER)


def cacerts(ca, chain, roots, **more):
    files = {"ca-cert.pem": ca.pem, "ca-key.pem": ca.key_pem(), "cert-chain.pem": "".join(c.pem for c in chain),
             "root-cert.pem": "".join(c.pem for c in roots)}
    return {**files, **more}


def bring(directory, files):
    """All at once, as a mounted Secret changes: a new directory takes the old one's place."""
    fresh = directory.with_name("ca.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o755)
    for name, text in files.items():
        (fresh / name).write_text(text)
    if directory.exists():
        shutil.rmtree(directory)
    fresh.rename(directory)


def with_ca(files, more="", **how):
    s = Signet("ca:\n  directory: @DIR@/ca\n" + more, **how)
    bring(s.dir / "ca", files)
    return s


def hup(s):
    wait_for(lambda: [e for e in s.events("serving") if e["process"] == "monitor"])  # before that there is nothing to reload
    s.process.send_signal(signal.SIGHUP)


def verify(chain, roots, tmp):
    """By OpenSSL, strictly, with nothing but the answer and the roots that a client holds."""
    tmp = pathlib.Path(tmp)
    for name, text in (("roots.pem", roots), ("leaf.pem", chain[0]), ("between.pem", "".join(chain[1:-1]))):
        (tmp / name).write_text(text)
    between = ["-untrusted", tmp / "between.pem"] if len(chain) > 2 else []
    for purpose in ("sslserver", "sslclient"):
        subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", tmp / "roots.pem", *between,
                        tmp / "leaf.pem"], check=True, capture_output=True)


def issue(s, roots=None, channel=None):
    key = make_key()
    return key, s.ask(make_csr(key, ID), token=s.token(ID), channel=channel or (s.channel(roots=roots) if roots else None))


LAYOUTS = {
    "cacerts": (cacerts(LOW, [LOW, UPPER, ROOT], [ROOT]), [LOW, UPPER]),
    "cacerts-two-roots": (cacerts(LOW, [UPPER], [CA("Other"), ROOT]), [LOW, UPPER]),
    "tls": ({"tls.crt": LOW.pem + UPPER.pem + ROOT.pem, "tls.key": LOW.key_pem(OLD), "ca.crt": ROOT.pem}, [LOW, UPPER]),
    "secret": ({"ca-cert.pem": ROOT.pem, "ca-key.pem": ROOT.key_pem(OLD), "root-cert.pem": ROOT.pem, "cert-chain.pem": "",
                "key.pem": ""}, []),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_signs_and_every_client_can_verify(layout, tmp_path):
    files, between = LAYOUTS[layout]
    with with_ca(files) as s:
        _, chain = issue(s, roots=ROOT.pem)  # TLS too, by the root alone
        assert [certs_of(c)[0] for c in chain[1:-1]] == [c.cert for c in between]
        assert certs_of(chain[-1])[0] == ROOT.cert
        assert len(certs_of(chain[-1])) == files.get("root-cert.pem", files.get("ca.crt")).count("BEGIN")
        verify(chain, ROOT.pem, tmp_path)
        leaf = certs_of(chain[0])[0]
        signer = between[0] if between else ROOT
        assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == \
            signer.cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        # renewal over mTLS, with the chain that was handed out
        key = make_key()
        first_key, first = issue(s, roots=ROOT.pem)
        channel = s.channel(first_key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
                            "".join(first).encode(), ROOT.pem)
        verify(s.ask(make_csr(key, ID), channel=channel), ROOT.pem, tmp_path)


def test_an_encrypted_key_is_opened_by_its_passphrase(tmp_path):
    encrypted = LOW.key_pem(encryption=serialization.BestAvailableEncryption(b"correct horse"))
    s = with_ca(cacerts(LOW, [LOW, UPPER], [ROOT], **{"ca-key.pem": encrypted}), "  passphrase_file: @DIR@/passphrase\n")
    (s.dir / "passphrase").write_text("correct horse\n")
    with s:
        verify(issue(s)[1], ROOT.pem, tmp_path)


def test_a_running_mesh_migrates_and_notices_nothing(tmp_path):
    """istiod's own CA, exported: what was issued before, by whomever, verifies after, and the other way round."""
    mesh = CA("cluster.local", rsa_key=True)
    before_key = make_key()
    before = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(mesh.name).serial_number(7)
              .public_key(before_key.public_key()).not_valid_before(datetime.datetime.utcnow() - DAY)
              .not_valid_after(datetime.datetime.utcnow() + DAY)
              .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(ID)]), True)
              .add_extension(x509.BasicConstraints(False, None), True)
              .add_extension(x509.KeyUsage(True, False, True, False, False, False, False, False, False), True)
              .add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1"),
                                                    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")]), False)
              .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(mesh.key.public_key()), False)
              .sign(mesh.key, hashes.SHA256()))
    files = {"ca-cert.pem": mesh.pem, "ca-key.pem": mesh.key_pem(OLD), "root-cert.pem": mesh.pem, "cert-chain.pem": "", "key.pem": ""}
    with with_ca(files) as s:
        assert s.roots() == mesh.pem
        verify(issue(s)[1], mesh.pem, tmp_path)
        old = [before.public_bytes(PEM).decode(), s.roots()]
        (tmp_path / "m.pem").write_text(s.roots())
        (tmp_path / "b.pem").write_text(old[0])
        subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "m.pem", tmp_path / "b.pem"], check=True, capture_output=True)
        # who has a certificate of istiod's renews with it
        channel = s.channel(before_key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
                            "".join(old).encode())
        verify(s.ask(make_csr(make_key(), ID), channel=channel), mesh.pem, tmp_path)


def test_nothing_outlives_the_first_of_the_chain_that_ends():
    short = CA("Short", ROOT, days=2)
    below = CA("Below", short, days=300)
    with with_ca(cacerts(below, [below, short], [ROOT])) as s:
        key = make_key()
        leaf = certs_of(s.ask(make_csr(key, ID), token=s.token(ID), validity=80 * 86400)[0])[0]
        assert leaf.not_valid_after == short.cert.not_valid_after
        end = int(short.cert.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp())
        assert s.metric("signet_ca_cert_expiry_timestamp") == end
        assert s.metric("citadel_server_cert_chain_expiry_timestamp") == end
        assert s.events("ca_ends_soon")


@pytest.mark.parametrize("files, what", [
    (cacerts(LOW, [LOW], [ROOT]), "the chain breaks here"),
    (cacerts(LOW, [LOW, UPPER], [ROOT], **{"ca-key.pem": UPPER.key_pem()}), "not the key of the signing certificate"),
    ({"ca-cert.pem": LOW.pem}, "ca-key.pem: it is missing or empty"),
    ({}, "no CA in the directory"),
    (cacerts(CA("Gone", ROOT, days=-1, start=-9), [], [ROOT]), "it ended on"),
])
def test_a_bad_ca_does_not_start(files, what):
    s = with_ca(files)
    try:
        s.spawn()
        assert s.process.wait(20) == 4
        assert what in s.events("ca_refused")[0]["what"]
        assert "PRIVATE" not in s.log()
    finally:
        s.__exit__()


def test_it_is_the_same_set_after_a_restart_and_nobody_else_s_key_is_in_the_store():
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        seq = s.api("GET", "/v1/roots")["seq"]
        scalar = LOW.key.private_numbers().private_value.to_bytes(32, "big")
        assert s.stop() == 0
        assert not any(scalar in f.read_bytes() for f in (s.dir / "data").rglob("*") if f.is_file())
        s.start()
        assert s.api("GET", "/v1/roots")["seq"] == seq
        assert s.stop() == 0
        bring(s.dir / "ca", cacerts(UPPER, [UPPER], [ROOT]))
        s.start()
        assert s.api("GET", "/v1/roots")["seq"] == seq + 1


def test_our_own_root_is_kept_for_the_way_back():
    s = Signet()
    with s:
        own = s.roots()
        assert s.stop() == 0
        bring(s.dir / "ca", cacerts(LOW, [LOW, UPPER], [ROOT]))
        s.write_config("ca:\n  directory: @DIR@/ca\n")
        s.start()
        assert s.roots() == ROOT.pem and s.api("GET", "/v1/roots")["seq"] == 2
        assert s.stop() == 0
        s.write_config()
        s.start()
        assert s.roots() == own and s.api("GET", "/v1/roots")["seq"] == 3


def test_who_never_had_a_root_of_ours_gets_none_by_a_slip_of_the_configuration():
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        assert s.stop() == 0
        s.write_config()
        s.spawn()
        assert s.process.wait(20) == 4
        assert "name it again in ca.directory" in s.log()


# ---- SIGHUP ----

class Load:
    """Threads that ask without a pause and verify every answer against the roots that it brought, and ROOT."""

    def __init__(self, s, threads=4):
        self.s, self.stop_it, self.failed, self.signers, self.count = s, False, [], set(), 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop_it = True
        for t in self.threads:
            t.join()

    def run(self):
        key, channel = make_key(), self.s.channel(roots=ROOT.pem)
        csr = make_csr(key, ID)
        try:
            while not self.stop_it:
                chain = self.s.ask(csr, token=self.s.token(ID), channel=channel)
                certs = [certs_of(c)[0] for c in chain]
                for below, above in zip(certs, certs[1:]):
                    above.public_key().verify(below.signature, below.tbs_certificate_bytes, ec.ECDSA(below.signature_hash_algorithm))
                    assert below.issuer == above.subject
                assert certs[-1] == ROOT.cert
                with self.lock:
                    self.count += 1
                    self.signers.add(certs[1].subject.rfc4514_string())
        except Exception as e:
            self.failed.append(repr(e))
        finally:
            channel.close()


def test_a_new_ca_takes_over_under_load_and_no_request_fails(tmp_path):
    sets = [CA(f"Set {i}", UPPER if i % 2 else ROOT) for i in range(6)]
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        fronts = s.pids("front")
        with Load(s) as load:
            for i, ca in enumerate(sets):
                wait_for(lambda: load.count > 20 * i or load.failed)
                bring(s.dir / "ca", cacerts(ca, [ca] + ([UPPER] if i % 2 else []), [ROOT]))
                hup(s)
                wait_for(lambda: len(s.events("ca_replaced")) == i + 1)
                assert wait_for(lambda: ca.name.rfc4514_string() in load.signers or load.failed)
            # a bad one changes nothing
            bring(s.dir / "ca", cacerts(LOW, [LOW], [ROOT]))
            hup(s)
            wait_for(lambda: s.events("ca_reload_failed"))
            n = load.count
            wait_for(lambda: load.count > n + 20 or load.failed)
        assert load.failed == []
        assert len(load.signers) == 7, load.signers
        assert s.pids("front") == fronts, "no front was replaced, so no connection was closed"
        assert s.metric("signet_ca_reload_failed_total") == 1
        assert s.api("GET", "/v1/roots")["seq"] == 7
        _, chain = issue(s, roots=ROOT.pem)
        assert certs_of(chain[1])[0] == sets[-1].cert
        verify(chain, ROOT.pem, tmp_path)
        # files that cannot be read count as well, and the old CA stays
        shutil.rmtree(s.dir / "ca")
        hup(s)
        wait_for(lambda: s.events("reload failed"))
        assert s.metric("signet_ca_reload_failed_total") == 2
        issue(s)


def test_the_fronts_own_certificate_follows_to_a_new_root():
    other = CA("Other Root")
    low = CA("Other Low", other)
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        key = make_key()
        s.ask(make_csr(key, ID), token=s.token(ID), channel=s.channel(roots=ROOT.pem), validity=2)
        bring(s.dir / "ca", cacerts(low, [low], [other, ROOT]))
        hup(s)
        refused = wait_for(lambda: s.events("ca_reload_failed"))  # whoever holds that certificate does not know this root
        assert "before its root was published" in refused[0]["why"]
        time.sleep(3)
        hup(s)
        wait_for(lambda: s.events("ca_replaced"))

        def new_clients_can_connect():
            try:
                return issue(s, roots=other.pem)[1]
            except grpc.RpcError:
                return None
        chain = wait_for(new_clients_can_connect)
        assert [certs_of(c)[0] for c in chain[1:-1]] == [low.cert]
        assert certs_of(chain[-1]) == [other.cert, ROOT.cert]


def test_a_changed_directory_is_noticed_and_a_bad_one_is_tried_ever_more_seldom():
    low = CA("New Low", ROOT)
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        wait_for(lambda: [e for e in s.events("serving") if e["process"] == "monitor"])
        bring(s.dir / "ca", cacerts(low, [low], [ROOT]))
        wait_for(lambda: s.events("ca_replaced"))
        assert certs_of(issue(s)[1][1])[0] == low.cert
        (s.dir / "ca/ca-key.pem").write_text(LOW.key_pem())  # in place, half of a change
        wait_for(lambda: s.events("ca_reload_failed"))
        time.sleep(2.5)
        assert len(s.events("ca_reload_failed")) <= 2 and s.metric("signet_ca_reload_failed_total") <= 2  # at once, and after two seconds
        (s.dir / "ca/ca-key.pem").write_text(low.key_pem())
        wait_for(lambda: s.events("ca_unchanged"))
        assert certs_of(issue(s)[1][1])[0] == low.cert


def test_the_same_files_again_change_nothing():
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        hup(s)
        wait_for(lambda: s.events("ca_unchanged"))
        assert s.api("GET", "/v1/roots")["seq"] == 1 and not s.events("ca_replaced")


def test_a_token_that_is_tried_again_after_the_ca_changed_is_refused():
    """The first certificate could not be verified with the new chain behind it."""
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        key, token = make_key(), s.token(ID)
        first = s.ask(make_csr(key, ID), token=token)
        assert certs_of(s.ask(make_csr(key, ID), token=token)[0]) == certs_of(first[0])
        low = CA("New Low", ROOT)
        bring(s.dir / "ca", cacerts(low, [low], [ROOT]))
        hup(s)
        wait_for(lambda: s.events("ca_replaced"))
        with pytest.raises(grpc.RpcError) as e:
            s.ask(make_csr(key, ID), token=token)
        assert e.value.code() == grpc.StatusCode.UNAUTHENTICATED


# ---- the command ----

def test_ca_show_shows_the_chain():
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        text = s.signet("ca", "show").stdout
        assert text.index("Low") < text.index("Upper") < text.index("\nroots\n") < text.rindex("Root")
        told = json.loads(s.signet("ca", "show", "-o", "json").stdout)
        assert len(told["chain"]) == 2 and len(told["roots"]) == 1


def test_ca_check_says_what_the_daemon_would():
    s = with_ca(cacerts(LOW, [LOW, UPPER], [ROOT]))
    try:
        assert "would sign" in s.signet("ca", "check", s.dir / "ca").stdout
        bring(s.dir / "ca", cacerts(LOW, [LOW], [ROOT]))
        r = s.signet("ca", "check", s.dir / "ca", check=False)
        assert r.returncode == 1 and "ca-cert.pem: certificate 1: the chain breaks here" in r.stderr
        r = s.signet("config", "check", s.config, check=False)
        assert r.returncode == 1 and "ca.directory: ca-cert.pem: certificate 1: the chain breaks here" in r.stderr
    finally:
        s.__exit__()


def test_a_ca_of_the_same_key_under_another_name_is_another_ca():
    key = make_key()
    a, b = CA("Issuing A", ROOT, key=key), CA("Issuing B", ROOT, key=key)
    with with_ca(cacerts(a, [a], [ROOT])) as s:
        mine, token = make_key(), s.token(ID)
        s.ask(make_csr(mine, ID), token=token)
        bring(s.dir / "ca", cacerts(b, [b], [ROOT]))
        wait_for(lambda: s.events("roots_changed"))
        with pytest.raises(grpc.RpcError):  # the certificate of before, behind the chain of now, would verify nowhere
            s.ask(make_csr(mine, ID), token=token)
        wait_for(lambda: x509.load_pem_x509_crl(s.api("GET", "/v1/crl")["pem"].encode()).issuer == b.name)
