"""Whom the front believes when the roots change: on new connections, and on those that are open."""
import datetime
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import certs_of, key_pem, make_csr, make_key, now, wait_for
from test_brought import CA, DAY, ID, PEM, ROOT, bring, cacerts, issue, with_ca


def leaf_by(ca, key, days=3000, uri=ID):
    """What a thief of the CA's key makes: good for years."""
    return (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(ca.name).serial_number(x509.random_serial_number())
            .public_key(key.public_key()).not_valid_before(now() - DAY).not_valid_after(now() + days * DAY)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), True)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(x509.KeyUsage(True, *[False] * 8), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), False)
            .sign(ca.key, hashes.SHA256()))


def test_a_root_that_is_gone_authenticates_nobody_on_connections_that_are_open():
    stolen, new = CA("Stolen Root"), CA("New Root")
    with with_ca(cacerts(stolen, [], [stolen]), "  unpublished_root: accept\n") as s:
        key = make_key()
        with s.channel(key_pem(key), leaf_by(stolen, key).public_bytes(PEM), stolen.pem) as channel:
            s.ask(make_csr(make_key(), ID), channel=channel)
            bring(s.dir / "ca", cacerts(new, [], [new]))
            wait_for(lambda: s.events("ca_replaced"))
            s.signet("root", "retire", "--force")  # it is held for the certificate that was just issued
            wait_for(lambda: s.events("root_gone"))
            with pytest.raises(grpc.RpcError):
                s.ask(make_csr(make_key(), ID), channel=channel)
            assert len([r for r in s.records() if r["spiffe_id"] == ID]) == 1


def test_while_the_old_root_is_trusted_its_connections_stay():
    old, new = CA("Old Root"), CA("New Root")
    with with_ca(cacerts(old, [], [old, new])) as s:
        key, chain = issue(s)
        with s.channel(key_pem(key), chain[0].encode(), old.pem) as channel:
            s.ask(make_csr(make_key(), ID), channel=channel)
            bring(s.dir / "ca", cacerts(new, [], [new, old]))
            wait_for(lambda: s.events("ca_replaced"))
            answer = s.ask(make_csr(make_key(), ID), channel=channel)
            assert certs_of(answer[-1])[0] == new.cert and not s.events("root_gone")


def test_a_client_may_show_the_whole_answer_with_many_roots():
    others = [CA(f"Other {i}", rsa_key=True) for i in range(19)]
    with with_ca(cacerts(ROOT, [], [ROOT] + others)) as s:
        key, chain = issue(s)
        with s.channel(key_pem(key), "".join(chain).encode(), ROOT.pem) as channel:
            assert certs_of(s.ask(make_csr(make_key(), ID), channel=channel)[0])


def test_the_longest_chain_that_is_taken_renews_over_mtls_as_well():
    chain = [ROOT]
    for i in range(6):
        chain.append(CA(f"Level {i}", chain[-1]))
    with with_ca(cacerts(chain[-1], chain[:0:-1], [ROOT])) as s:
        key, answer = issue(s)
        assert len(answer) == 8  # leaf, six CAs, the root
        with s.channel(key_pem(key), "".join(answer[:-1]).encode(), ROOT.pem) as channel:
            assert certs_of(s.ask(make_csr(make_key(), ID), channel=channel)[0])
