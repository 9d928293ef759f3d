"""A client asks over gRPC, is authenticated, is allowed by policy, and gets a certificate whose record is on disk."""
import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import certs_of, key_pem, make_csr, make_key, san_uris, verify_chain

ID = "spiffe://example.org/ns/web/sa/shop"


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa2048"])
def test_join_token_buys_a_certificate_for_every_key_type(signet, kind):
    chain = signet.ask(make_csr(make_key(kind), ID), token=signet.token(ID))
    assert len(chain) == 2, "self-made root: exactly leaf and root"
    leaf = certs_of(chain[0])[0]
    assert san_uris(leaf) == [ID]
    assert chain[1] == signet.roots()
    verify_chain(leaf, chain[1], signet.dir)


def test_certificate_has_the_profile(signet):
    leaf = certs_of(signet.ask(make_csr(make_key(), ID), token=signet.token(ID))[0])[0]
    ext = leaf.extensions
    assert len(leaf.subject.rdns) == 0
    san = ext.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical and len(san.value) == 1
    bc = ext.get_extension_for_class(x509.BasicConstraints)
    assert bc.critical and not bc.value.ca
    ku = ext.get_extension_for_class(x509.KeyUsage)
    assert ku.critical and ku.value.digital_signature and not ku.value.key_encipherment and not ku.value.key_cert_sign
    eku = ext.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(eku) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    root = certs_of(signet.roots())[0]
    aki = ext.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert aki == root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert 8 < leaf.serial_number.bit_length() <= 159


def test_the_record_is_there_before_the_answer(signet):
    leaf = certs_of(signet.ask(make_csr(make_key(), ID), token=signet.token(ID))[0])[0]
    record = signet.record_of(leaf)
    assert record["spiffe_id"] == ID and record["evidence"] == "join_token"
    assert certs_of(record["pem"])[0] == leaf


def test_names_of_the_csr_are_ignored(signet):
    csr = make_csr(make_key(), "spiffe://example.org/ns/kube-system/sa/admin", dns=["kubernetes.default.svc"])
    leaf = certs_of(signet.ask(csr, token=signet.token(ID))[0])[0]
    assert san_uris(leaf) == [ID]


def test_a_certificate_renews_itself_over_mtls_again_and_again(signet):
    key = make_key()
    chain = signet.ask(make_csr(key, ID), token=signet.token(ID))
    for _ in range(3):
        with signet.channel(key_pem(key), "".join(chain).encode()) as channel:
            key = make_key()
            chain = signet.ask(make_csr(key, ID), channel=channel)
            assert san_uris(certs_of(chain[0])[0]) == [ID]


def test_nobody_gets_nothing(signet):
    with pytest.raises(grpc.RpcError) as e:
        signet.ask(make_csr(make_key(), ID))
    assert e.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert e.value.details() == "request authenticate failure"
