#!/usr/bin/env python3
"""Writes tests/data/crl/: revocation lists as others issue them, good and bad (tests/unit/csr/test_crl.c says which is which), the
same as seeds of csr/fuzz_crl.c, and tests/data/brought-crl/: a CA (ca.pem: what signs, the one above, the root) and files that may be
its ca-crl.pem (tests/unit/ca/test_brought_crl.c).  That test's clock stands at 2030-01-01.

    tests/data/make-crl.py        # writes all of them anew, with a new key
"""
import datetime
import pathlib
import shutil

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
OUT, SEEDS, BROUGHT = HERE / "crl", HERE / "fuzz" / "crl", HERE / "brought-crl"
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Issuer")])
DAY = datetime.timedelta(days=1)
FROM = datetime.datetime(2029, 12, 31)


def entry(serial, reason=None, critical=False, odd=False):
    b = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(FROM - DAY)
    if reason:
        b = b.add_extension(x509.CRLReason(reason), critical)
    if odd:
        b = b.add_extension(x509.CertificateIssuer([x509.DirectoryName(NAME)]), True)
    return b.build()


def crl(entries=(), number=7, aki=True, extra=(), until=FROM + 30 * DAY):
    b = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(FROM).next_update(until)
    for e in entries:
        b = b.add_revoked_certificate(e)
    if number is not None:
        b = b.add_extension(x509.CRLNumber(number), False)
    if aki:
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key()), False)
    for ext, critical in extra:
        b = b.add_extension(ext, critical)
    return b.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def main():
    for d in (OUT, SEEDS):
        shutil.rmtree(d, ignore_errors=True)
        d.mkdir(parents=True)
    two = [entry(1), entry(2 ** 159 - 1, x509.ReasonFlags.key_compromise)]
    good = crl(two)
    cases = {
        "good": good,
        "good-empty": crl(),
        "good-no-number": crl(two, number=None),
        "good-no-aki": crl(two, aki=False),
        "good-long-number": crl(two, number=2 ** 158),
        "good-other-extension": crl(two, extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)]),
        "bad-delta": crl(two, extra=[(x509.DeltaCRLIndicator(3), True)]),
        "bad-partitioned": crl(two, extra=[(x509.IssuingDistributionPoint(None, None, True, False, None, False, False), True)]),
        "bad-indirect": crl([entry(1, odd=True)]),
        "bad-trailing": good + b"\0",
        "bad-cut": good[:-1],
        "bad-version": good.replace(b"\x02\x01\x01\x30", b"\x02\x01\x02\x30", 1),
        "bad-algorithm": good.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d040303"), 1),
        "bad-reason": good.replace(b"\x0a\x01\x01", b"\x0a\x01\x07"),
    }
    for name, der in cases.items():
        (OUT / (name + ".der")).write_bytes(der)
        (SEEDS / name).write_bytes(der)
    brought()


class CA:
    def __init__(self, serial, subject, issuer=None, **usage):
        self.serial, self.key = serial, usage.get("key") or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        above = issuer or self
        self.cert = (x509.CertificateBuilder().subject_name(self.name).issuer_name(above.name).serial_number(serial)
                     .public_key(self.key.public_key()).not_valid_before(FROM - 365 * DAY).not_valid_after(FROM + 3650 * DAY)
                     .add_extension(x509.BasicConstraints(True, None), True)
                     .add_extension(x509.KeyUsage(False, False, False, False, False, True, usage.get("crl_sign", True), False, False), True)
                     .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
                     .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()), False)
                     .sign(above.key, hashes.SHA256()))

    def crl(self, serials=(), start=FROM, until=FROM + 30 * DAY, key=None, number=1):
        b = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(start).next_update(until)
        for serial in serials:
            b = b.add_revoked_certificate(entry(serial))
        b = b.add_extension(x509.CRLNumber(number), False)
        return pem(b.sign(key or self.key, hashes.SHA256()))


def pem(what):
    return what.public_bytes(serialization.Encoding.PEM).decode()


def brought():
    shutil.rmtree(BROUGHT, ignore_errors=True)
    BROUGHT.mkdir()
    root = CA(1, "Root")
    upper = CA(2, "Upper", root)
    signer = CA(3, "Signer", upper)
    mute = CA(4, "Signer", upper, key=signer.key, crl_sign=False)
    (BROUGHT / "ca.pem").write_text(pem(signer.cert) + pem(upper.cert) + pem(root.cert))
    (BROUGHT / "ca-mute.pem").write_text(pem(mute.cert) + pem(upper.cert) + pem(root.cert))
    many = [CA(100 + i, f"Root {i}") for i in range(17)]
    (BROUGHT / "ca-many.pem").write_text("".join(pem(ca.cert) for ca in many))
    theirs = upper.crl([77, 78, 79])
    cases = {
        "good-upper": theirs,
        "good-all": root.crl([50]) + "text between is nothing\n" + theirs + signer.crl([0xabcdef, 9, 2 ** 100]),
        "good-empty-list": signer.crl(),
        "good-none": "\n",
        "good-comment": "# no lists\n",
        "good-same-serial-twice": signer.crl([9, 8, 9]),
        "warns-ended": upper.crl([77], start=FROM - 60 * DAY, until=FROM - 30 * DAY),
        "warns-early": upper.crl([77], start=FROM + 10 * DAY),
        "warns-signer-revoked": upper.crl([3]),
        "warns-upper-revoked": root.crl([2]) + upper.crl(),
        "warns-no-crl-sign": signer.crl([9]),
        "bad-stranger": CA(9, "Stranger").crl([77]),
        "bad-same-name-other-key": CA(9, "Upper").crl([77]),
        "bad-forged": theirs.replace(theirs.splitlines()[-2][:4], "AAAA", 1),
        "bad-twice": theirs + upper.crl([80], number=2),
        "bad-second": theirs + CA(9, "Stranger").crl(),
        "bad-certificate": theirs + pem(root.cert),
        "bad-cut": theirs[:-30],
        "bad-garbage": "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        "bad-too-many": "".join(ca.crl() for ca in many),
    }
    for name, text in cases.items():
        (BROUGHT / (name + ".pem")).write_text(text)


main()
