#!/usr/bin/env python3
"""Writes tests/data/brought/: one directory a case, the files of a CA as an operator brings them; what is right or wrong with
each is in its name, and tests/unit/ca/test_brought.c says what must come of it.  The test's clock stands at 2030-01-01.

    tests/data/make-brought.py        # writes all of them anew, with new keys
"""
import base64
import datetime
import pathlib
import shutil
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU, NameOID

HERE = pathlib.Path(__file__).parent / "brought"
FROM, TO = datetime.datetime(2025, 1, 1), datetime.datetime(2055, 1, 1)
PEM, SER = serialization.Encoding.PEM, serialization
serial = 1000


def p256():
    return ec.generate_private_key(ec.SECP256R1())


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


class CA:
    def __init__(self, subject, issuer=None, key=None, **how):
        global serial
        serial += 1
        self.key, self.name = key or p256(), name(subject)
        issuer = issuer or self
        get = how.get
        b = (x509.CertificateBuilder().subject_name(self.name).issuer_name(issuer.name).serial_number(serial)
             .public_key(self.key.public_key()).not_valid_before(get("start", FROM)).not_valid_after(get("end", TO)))
        if get("ca", True) is not None:
            b = b.add_extension(x509.BasicConstraints(get("ca", True), get("path")), get("constraints_critical", True))
        if get("usage", True) is not None:
            u = get("usage", True)
            b = b.add_extension(x509.KeyUsage(not u, False, False, False, False, u, u and get("crl_sign", True), False, False), True)
        if get("eku"):
            b = b.add_extension(x509.ExtendedKeyUsage(get("eku")), get("eku_critical", False))
        ski = get("ski", x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()).digest)
        if ski:
            b = b.add_extension(x509.SubjectKeyIdentifier(ski), get("ski_critical", False))
        aki = get("aki", x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()))
        if aki:
            b = b.add_extension(aki, get("aki_critical", False))
        if get("names"):
            b = b.add_extension(x509.NameConstraints(get("names"), None), True)
        if get("uri"):
            b = b.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(u) for u in get("uri").split()]), False)
        if get("odd"):
            b = b.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)
        signer = get("signer", issuer.key)
        hash_ = None if isinstance(signer, ed25519.Ed25519PrivateKey) else get("hash", hashes.SHA256())
        self.cert = b.sign(signer, hash_)
        self.pem = self.cert.public_bytes(PEM).decode()


def pkcs8(key, how=None):
    return key.private_bytes(PEM, SER.PrivateFormat.PKCS8, how or SER.NoEncryption()).decode()


def old(key, how=None):
    return key.private_bytes(PEM, SER.PrivateFormat.TraditionalOpenSSL, how or SER.NoEncryption()).decode()


def case(where, files):
    d = HERE / where
    d.mkdir(parents=True)
    for f, text in files.items():
        (d / f).write_text(text)


def istio(where, ca, chain, roots, key=None, **more):
    files = {"ca-cert.pem": ca.pem, "ca-key.pem": key if key is not None else pkcs8(ca.key),
             "cert-chain.pem": "".join(c.pem for c in chain), "root-cert.pem": "".join(c.pem for c in roots)}
    files.update({k.replace("_", "-") + ".pem": v for k, v in more.items()})
    case(where, {k: v for k, v in files.items() if v is not None})


def sha1(issuer):
    """By OpenSSL: Python's library refuses to."""
    ca = CA("Direct", issuer)
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        (d / "root.pem").write_text(issuer.pem)
        (d / "root.key").write_text(pkcs8(issuer.key))
        (d / "key").write_text(pkcs8(ca.key))
        (d / "ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
        request = subprocess.run(["openssl", "req", "-new", "-key", d / "key", "-subj", "/CN=Direct"], check=True,
                                 capture_output=True).stdout
        ca.pem = subprocess.run(["openssl", "x509", "-req", "-sha1", "-CA", d / "root.pem", "-CAkey", d / "root.key", "-days", "9000",
                                 "-set_serial", "5", "-extfile", d / "ext"], input=request, check=True,
                                capture_output=True).stdout.decode()
    return ca


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    root, other = CA("Root"), CA("Other Root")
    upper = CA("Upper", root)
    low = CA("Low", upper, path=0)
    direct = CA("Direct", root)

    # ---- good ones ----
    istio("good-istio", direct, [direct, root], [root])
    istio("good-two-levels", low, [low, upper], [root, other])
    istio("good-wrong-order", low, [root, upper, low], [root])
    deep = [CA("D1", root)]
    for i in range(2, 6):
        deep.append(CA(f"D{i}", deep[-1]))
    istio("good-reversed", deep[-1], deep[:-1], [root])
    istio("good-duplicates", low, [low, upper, upper, low], [root, root])
    istio("good-unrelated-in-chain", low, [low, other, upper, direct], [root])
    istio("good-no-chain", direct, [], [root], cert_chain=None)
    istio("good-crl", direct, [direct], [root], ca_crl="")
    istio("good-ended-extra-root", direct, [direct], [CA("Gone", start=FROM, end=datetime.datetime(2026, 1, 1)), root])
    lapsed = CA("Upper", root, key=upper.key, end=datetime.datetime(2026, 1, 1))
    istio("good-renewed-intermediate", low, [low, lapsed, upper], [root])
    dns = CA("Direct", root, names=[x509.DNSName("example.org")])
    istio("good-dns-constraint", dns, [dns], [root])
    both = CA("Direct", root, eku=[EKU.SERVER_AUTH, EKU.CLIENT_AUTH])
    istio("good-both-usages", both, [both], [root])
    td = CA("Direct", root, uri="spiffe://example.org")
    istio("good-trust-domain", td, [td], [root])
    short = CA("Upper", root, end=datetime.datetime(2031, 1, 1))
    below = CA("Low", short)
    istio("good-ends-with-intermediate", below, [below, short], [root])
    case("good-tls", {"tls.crt": low.pem + upper.pem, "tls.key": pkcs8(low.key), "ca.crt": root.pem})
    case("good-tls-root-in-chain", {"tls.crt": low.pem + upper.pem + root.pem, "tls.key": pkcs8(low.key), "ca.crt": root.pem})
    mesh = CA("cluster.local", key=rsa.generate_private_key(65537, 2048))
    case("good-secret", {"ca-cert.pem": mesh.pem, "ca-key.pem": old(mesh.key), "root-cert.pem": mesh.pem, "cert-chain.pem": "",
                         "key.pem": ""})
    case("good-secret-bare", {"ca-cert.pem": mesh.pem, "ca-key.pem": old(mesh.key)})

    # ---- forms of the key ----
    istio("good-key-sec1", direct, [], [root], old(direct.key))
    parameters = "-----BEGIN EC PARAMETERS-----\n" + base64.b64encode(bytes.fromhex("06082a8648ce3d030107")).decode() + \
        "\n-----END EC PARAMETERS-----\n"
    istio("good-key-parameters", direct, [], [root], parameters + old(direct.key))
    istio("good-key-crlf", direct, [], [root], old(direct.key).replace("\n", "\r\n"))
    passphrase = SER.BestAvailableEncryption(b"correct horse")
    istio("key-encrypted", direct, [], [root], pkcs8(direct.key, passphrase))
    for kind, key in (("p384", ec.generate_private_key(ec.SECP384R1())), ("ed25519", ed25519.Ed25519PrivateKey.generate()),
                      ("rsa", rsa.generate_private_key(65537, 2048))):
        ca = CA("Direct", root, key=key)
        istio(f"good-key-{kind}", ca, [], [root])
        if kind != "ed25519":
            istio(f"good-key-{kind}-old", ca, [], [root], old(key))
    istio("bad-key-old-encryption", direct, [], [root], old(direct.key, passphrase))
    istio("bad-key-two", direct, [], [root], pkcs8(direct.key) + pkcs8(p256()))
    istio("bad-key-certificate", direct, [], [root], direct.pem + pkcs8(direct.key))
    istio("bad-key-garbage", direct, [], [root], "hello\n")
    istio("bad-key-cut", direct, [], [root], pkcs8(direct.key)[:100])
    for kind, key in (("p521", ec.generate_private_key(ec.SECP521R1())), ("k1", ec.generate_private_key(ec.SECP256K1())),
                      ("rsa1024", rsa.generate_private_key(65537, 1024))):
        istio(f"bad-key-{kind}", direct, [], [root], pkcs8(key))
        istio(f"bad-key-{kind}-old", direct, [], [root], old(key))
        ca = CA("Direct", root, key=key)
        istio(f"bad-cert-{kind}", ca, [], [root])
    istio("bad-key-mismatch", direct, [], [root], pkcs8(p256()))

    # ---- not whole ----
    case("bad-no-cert", {"ca-key.pem": pkcs8(direct.key), "root-cert.pem": root.pem})
    case("bad-no-key", {"ca-cert.pem": direct.pem, "root-cert.pem": root.pem})
    case("bad-no-roots", {"ca-cert.pem": direct.pem, "ca-key.pem": pkcs8(direct.key), "cert-chain.pem": direct.pem + root.pem})
    case("bad-tls-no-roots", {"tls.crt": low.pem + upper.pem, "tls.key": pkcs8(low.key)})
    case("bad-two-layouts", {"ca-cert.pem": direct.pem, "ca-key.pem": pkcs8(direct.key), "tls.crt": direct.pem})
    istio("bad-gap", low, [low], [root])
    istio("bad-root-only-in-chain", low, [low, upper, root], [other])
    istio("bad-roots-text", direct, [], [], root_cert="no PEM here\n")
    istio("bad-cert-text", direct, [], [root], ca_cert="no PEM here\n")
    istio("bad-cert-cut", direct, [], [root], ca_cert=direct.pem[:200])
    istio("bad-key-in-chain", direct, [], [root], cert_chain=direct.pem + pkcs8(direct.key))
    istio("bad-crl-in-chain", direct, [], [root], cert_chain="-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n")

    # ---- what a certificate says ----
    def bad(where, **how):
        ca = CA("Direct", root, **how)
        istio(where, ca, [ca], [root])

    bad("bad-not-ca", ca=False)
    bad("bad-no-constraints", ca=None)
    bad("bad-no-keycertsign", usage=False)
    bad("bad-no-key-usage", usage=None)
    bad("bad-uri-constraint", names=[x509.UniformResourceIdentifier("example.org")])
    bad("bad-server-only", eku=[EKU.SERVER_AUTH])
    bad("bad-client-only", eku=[EKU.CLIENT_AUTH])
    bad("bad-ended", end=datetime.datetime(2029, 12, 31))
    bad("bad-not-yet", start=datetime.datetime(2031, 1, 1))
    bad("bad-critical", odd=True)
    bad("bad-ski", ski=b"\x07" * 32)
    istio("bad-sha1", sha1(root), [], [root])
    bad("bad-trust-domain", uri="spiffe://example.com")
    bad("bad-signature", signer=p256())
    nobody = CA("", root)
    istio("bad-no-subject", nobody, [], [root])
    long = CA("x" * 64, root)
    long_name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{i:02}" + "x" * 60) for i in range(8)])
    long.name = long_name
    wide = CA.__new__(CA)
    wide.key = p256()
    b = (x509.CertificateBuilder().subject_name(long_name).issuer_name(root.name).serial_number(77).not_valid_before(FROM)
         .not_valid_after(TO).public_key(wide.key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
         .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True))
    wide.pem = b.sign(root.key, hashes.SHA256()).public_bytes(PEM).decode()
    istio("bad-long-subject", wide, [], [root])

    # ---- what is above it ----
    def above(where, **how):
        ca = CA("Upper", root, **how)
        below = CA("Low", ca)
        istio(where, below, [below, ca], [root])

    above("bad-upper-path", path=0)
    above("bad-upper-ended", end=datetime.datetime(2029, 1, 1))
    above("bad-upper-usage", usage=False)
    above("bad-upper-server-only", eku=[EKU.SERVER_AUTH])
    above("bad-upper-uri-constraint", names=[x509.UniformResourceIdentifier(".example.org")])
    for where, how in (("bad-root-path", {"path": 0}), ("bad-root-ended", {"end": datetime.datetime(2029, 1, 1)}),
                       ("bad-root-not-ca", {"ca": False, "usage": None}),
                       ("bad-root-uri-constraint", {"names": [x509.UniformResourceIdentifier("example.org")]})):
        top = CA("Top", **how)
        mid = CA("Mid", top)
        bottom = CA("Bottom", mid)
        istio(where, bottom, [mid], [top])
    istio("bad-root-of-other-key", direct, [], [CA("Root")])
    istio("bad-upper-of-other-key", low, [low, CA("Upper", root)], [root])
    istio("bad-root-is-intermediate", low, [low], [upper])
    istio("bad-root-is-signer", direct, [], [direct])
    chain = [CA("L0", root)]
    for i in range(1, 7):
        chain.append(CA(f"L{i}", chain[-1]))
    istio("bad-too-long", chain[-1], chain[::-1], [root])
    clients_refuse(root, bad, above)
    leaf = CA("Bare", usage=False, ca=False)
    case("bad-secret-leaf", {"ca-cert.pem": leaf.pem, "ca-key.pem": pkcs8(leaf.key)})
    seeds()


def clients_refuse(root, bad, above):
    """What OpenSSL takes and some client in a mesh does not, or the other way round."""
    bad("bad-ski-critical", ski_critical=True)
    bad("bad-aki-critical", aki_critical=True)
    bad("bad-aki-of-other-key", aki=x509.AuthorityKeyIdentifier(b"\x01" * 20, None, None))
    ski = x509.SubjectKeyIdentifier.from_public_key(root.key.public_key()).digest
    bad("bad-aki-serial", aki=x509.AuthorityKeyIdentifier(ski, [x509.DirectoryName(root.name)], 4711))
    bad("good-aki-serial", aki=x509.AuthorityKeyIdentifier(ski, [x509.DirectoryName(root.name)], root.cert.serial_number))
    bad("bad-any-usage", eku=[EKU.ANY_EXTENDED_KEY_USAGE])
    bad("bad-two-uris", uri="spiffe://example.org spiffe://example.com")
    bad("bad-ecdsa-sha512", hash=hashes.SHA512())
    other_name = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")
    bad("bad-other-name-constraint", names=[other_name])
    bad("bad-registered-id-constraint", names=[x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))])
    bad("bad-subject-constraint", names=[x509.DirectoryName(name("x"))])
    bad("good-mail-constraint", names=[x509.RFC822Name("example.org")])
    bad("good-no-crl-sign", crl_sign=False)
    bad("good-no-aki", aki=None)
    bad("good-no-ski", ski=None)
    bad("good-constraints-not-critical", constraints_critical=False)
    bad("good-critical-usage", eku=[EKU.SERVER_AUTH, EKU.CLIENT_AUTH], eku_critical=True)
    above("good-upper-no-usage", usage=None)
    for where, how in (("bad-root-server-only", {"eku": [EKU.SERVER_AUTH]}), ("bad-root-other-name", {"names": [other_name]})):
        top = CA("Top", **how)
        istio(where, CA("Low", top), [], [top])
    alone = CA("Alone", eku=[EKU.CODE_SIGNING])
    istio("bad-alone-code-signing", alone, [], [alone])
    leaf = CA("Laptop", ca=False, usage=False, uri="spiffe://example.org/vm/laptop")
    low = CA("Low", root)
    istio("bad-leaf-among-roots", low, [], [root, leaf])
    ending = CA("Mesh", end=datetime.datetime(2031, 1, 1))
    istio("good-renewed-root", CA("Low", ending), [], [ending, CA("Mesh", key=ending.key)])
    foreign, key = CA("Foreign"), p256()
    theirs, ours = CA("Upper", foreign, key=key), CA("Upper", root, key=key, end=datetime.datetime(2050, 1, 1))
    istio("good-cross-signed", CA("Low", ours), [theirs, ours], [root])
    chain = [CA("S0", root)]
    for i in range(1, 6):
        chain.append(CA(f"S{i}", chain[-1]))
    istio("good-six-levels", chain[-1], chain[::-1], [root])


FILES = ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem", "ca-crl.pem", "tls.crt", "tls.key", "ca.crt"]


def seeds():
    """For ca/fuzz_brought.c (files as ca/files.h encodes them) and hsm/fuzz_pem_key.c."""
    for fuzz in ("brought", "pem_key"):
        shutil.rmtree(HERE.parent / "fuzz" / fuzz, ignore_errors=True)
        (HERE.parent / "fuzz" / fuzz).mkdir()
    for where in ("good-two-levels", "good-tls-root-in-chain", "good-secret", "good-dns-constraint", "good-reversed", "bad-gap",
                  "bad-uri-constraint", "bad-root-path", "bad-sha1", "bad-critical", "bad-no-subject", "good-trust-domain"):
        out = b""
        for i, f in enumerate(FILES):
            if (HERE / where / f).exists():
                data = (HERE / where / f).read_bytes()
                out += bytes([i]) + len(data).to_bytes(4, "big") + data
        (HERE.parent / "fuzz" / "brought" / where).write_bytes(out)
    for d in sorted(HERE.glob("*key-*")):
        if (d / "ca-key.pem").exists():
            shutil.copy(d / "ca-key.pem", HERE.parent / "fuzz" / "pem_key" / d.name)


main()
