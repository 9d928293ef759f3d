#!/usr/bin/env python3
"""Writes tests/data/signed/: what another signer may send back for one request (tests/unit/ca/test_signed.c says which is which), the
roots that it must lead to, and the request's key as SPKI.  The test's clock stands at 2030-01-01; an hour is asked for.

    tests/data/make-signed.py        # writes all of them anew, with new keys
"""
import datetime
import pathlib
import shutil

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU, NameOID

OUT = pathlib.Path(__file__).parent / "signed"
NOW = datetime.datetime(2030, 1, 1)
HOUR, YEAR = datetime.timedelta(hours=1), datetime.timedelta(days=365)
ID = "spiffe://example.org/ns/a/sa/b"
serial = 0


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def pem(what):
    return what.public_bytes(serialization.Encoding.PEM).decode()


def cert(subject, key, issuer, start, end, extensions, digest=None):
    global serial
    serial += 1
    b = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer.subject)).serial_number(serial)
         .public_key(key.public_key()).not_valid_before(start).not_valid_after(end))
    for value, critical in extensions:
        b = b.add_extension(value, critical)
    return b.sign(issuer.key, digest or hashes.SHA256())


class CA:
    def __init__(self, subject, issuer=None, **how):
        self.subject, self.key = subject, how.get("key") or ec.generate_private_key(ec.SECP256R1())
        above, ski = issuer or self, x509.SubjectKeyIdentifier.from_public_key
        ext = [(x509.BasicConstraints(how.get("ca", True), how.get("path")), True),
               (x509.KeyUsage(False, False, False, False, False, how.get("signs", True), True, False, False), True),
               (ski(self.key.public_key()), False),
               (x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()), False)]
        if how.get("names"):
            ext.append((x509.NameConstraints(how["names"], None), True))
        self.cert = cert(subject, self.key, above, how.get("start", NOW - YEAR), how.get("end", NOW + 5 * YEAR), ext)
        self.pem = pem(self.cert)


def leaf(issuer, key, uris=(ID,), dns=("a.example",), **how):
    san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(u) for u in uris] + [x509.DNSName(d) for d in dns] + how.get("more", []))
    ext = [(san, how.get("critical", True)), (x509.BasicConstraints(how.get("ca", False), None), True)]
    if how.get("usage", True):
        ext.append((x509.KeyUsage(True, False, True, False, False, how.get("signs", False), False, False, False), True))
    if how.get("eku", (EKU.SERVER_AUTH, EKU.CLIENT_AUTH)):
        ext.append((x509.ExtendedKeyUsage(how.get("eku", (EKU.SERVER_AUTH, EKU.CLIENT_AUTH))), False))
    aki = how.get("aki", issuer.key)
    if aki:
        ext.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(aki.public_key()), False))
    if how.get("odd"):
        ext.append((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True))
    return pem(cert(how.get("subject", ""), key, issuer, how.get("start", NOW - HOUR / 60), how.get("end", NOW + HOUR), ext, how.get("digest")))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    key, root, other = ec.generate_private_key(ec.SECP256R1()), CA("Root"), CA("Other")
    one = CA("One", root)
    two = CA("Two", one)
    deep = [CA("D0", root)]
    for i in range(1, 7):
        deep.append(CA(f"D{i}", deep[-1]))
    short = CA("Short", root, end=NOW + HOUR / 2)
    p384 = CA("P384", root, key=ec.generate_private_key(ec.SECP384R1()))
    rsa_ca = CA("RSA", root, key=rsa.generate_private_key(65537, 2048))
    rsa_root = CA("Sender's Root")
    above = {
        "ended": CA("Ended", root, end=NOW - HOUR), "early": CA("Early", root, start=NOW + HOUR), "not-ca": CA("No CA", root, ca=False),
        "no-sign": CA("No Sign", root, signs=False), "uri-constraint": CA("Constraint", root, names=[x509.UniformResourceIdentifier("x.example")]),
    }
    path = CA("Path", root, path=0)
    below_path = CA("Below", path)
    good = {
        "root": leaf(root, key),
        "one": leaf(one, key) + one.pem,
        "two": leaf(two, key) + two.pem + one.pem,
        "wrong-order": leaf(two, key) + one.pem + two.pem,
        "duplicates": leaf(two, key) + two.pem + two.pem + one.pem + one.pem,
        "root-included": leaf(one, key) + one.pem + root.pem,
        "stranger-included": leaf(one, key) + one.pem + other.pem,
        "no-aki": leaf(one, key, aki=None) + one.pem,
        "subject": leaf(one, key, subject="b", critical=False) + one.pem,
        "p384": leaf(p384, key, digest=hashes.SHA384()) + p384.pem,
        "rsa": leaf(rsa_ca, key) + rsa_ca.pem,
        "six": leaf(deep[5], key) + "".join(d.pem for d in deep[5::-1]),
        "text-between": "Subject: b\n" + leaf(one, key) + "\nissuer:\n" + one.pem,
        "rounded-up": leaf(one, key, end=NOW + HOUR + datetime.timedelta(minutes=4)) + one.pem,
        "outlives": leaf(short, key) + short.pem,
    }
    bad = {
        "another-key": leaf(one, ec.generate_private_key(ec.SECP256R1())) + one.pem,
        "another-id": leaf(one, key, uris=[ID + "x"]) + one.pem,
        "another-domain": leaf(one, key, uris=["spiffe://example.com/ns/a/sa/b"]) + one.pem,
        "two-uris": leaf(one, key, uris=[ID, ID + "x"]) + one.pem,
        "the-uri-twice": leaf(one, key, uris=[ID, ID]) + one.pem,
        "no-uri": leaf(one, key, uris=[]) + one.pem,
        "another-dns": leaf(one, key, dns=["b.example"]) + one.pem,
        "more-dns": leaf(one, key, dns=["a.example", "b.example"]) + one.pem,
        "dns-twice": leaf(one, key, dns=["a.example", "a.example"]) + one.pem,
        "no-dns": leaf(one, key, dns=[]) + one.pem,
        "mail": leaf(one, key, more=[x509.RFC822Name("a@example.org")]) + one.pem,
        "ca": leaf(one, key, ca=True) + one.pem,
        "may-sign": leaf(one, key, signs=True) + one.pem,
        "no-key-usage": leaf(one, key, usage=False) + one.pem,
        "no-eku": leaf(one, key, eku=None) + one.pem,
        "server-only": leaf(one, key, eku=(EKU.SERVER_AUTH,)) + one.pem,
        "not-critical": leaf(one, key, critical=False) + one.pem,
        "odd-extension": leaf(one, key, odd=True) + one.pem,
        "ended": leaf(one, key, start=NOW - 2 * HOUR, end=NOW - HOUR) + one.pem,
        "early": leaf(one, key, start=NOW + HOUR / 2) + one.pem,
        "too-long": leaf(one, key, end=NOW + 2 * HOUR) + one.pem,
        "gap": leaf(two, key) + two.pem,
        "no-chain": leaf(one, key),
        "another-root": leaf(other, key) + other.pem,
        "same-name-other-key": leaf(CA("One", root), key) + one.pem,
        "not-signed": leaf(one, key, aki=None) + two.pem,
        "aki-of-another": leaf(one, key, aki=two.key) + one.pem,
        "sha512": leaf(p384, key, digest=hashes.SHA512()) + p384.pem,
        "seven": leaf(deep[6], key) + "".join(d.pem for d in deep[6::-1]),
        "path": leaf(below_path, key) + below_path.pem + path.pem,
        "own-root": leaf(rsa_root, key) + rsa_root.pem,
        "garbage": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "a-key": "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        "garbage-above": leaf(one, key) + one.pem + "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "key-above": leaf(one, key) + one.pem + "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        "empty": "\n",
        **{f"above-{k}": leaf(ca, key) + ca.pem for k, ca in above.items()},
    }
    (OUT / "roots.pem").write_text(root.pem)
    (OUT / "key.spki").write_bytes(key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    for kind, cases in (("good", good), ("bad", bad)):
        for n, text in cases.items():
            (OUT / f"{kind}-{n}.pem").write_text(text)


main()
