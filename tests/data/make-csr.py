#!/usr/bin/python3
"""Make the requests and certificates of tests/data/csr and tests/data/cert anew: `tests/data/make-csr.py`, in the root of
the tree.  openssl(1) makes the good ones; the bad ones are cut from them, and signed again where the fault must not hide
behind a wrong signature.  Keys are thrown away, so each run gives other bytes; the tests know only the file names."""
import os, shutil, subprocess, sys, tempfile

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CSR, CERT = "tests/data/csr", "tests/data/cert"
ID = "spiffe://td.example/ns/a/sa/b"


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    size = bytes([n]) if n < 0x80 else bytes([0x81, n]) if n < 0x100 else bytes([0x82, n >> 8, n & 255])
    return bytes([tag]) + size + body


def split(der):
    """The elements of a constructed one, each whole."""
    def one(at):
        n, head = der[at + 1], 2
        if n >= 0x80:
            k = n & 0x7F
            n, head = int.from_bytes(der[at + 2:at + 2 + k], "big"), 2 + k
        return head, at + head + n
    head, _ = one(0)
    out, at = [], head
    while at < len(der):
        _, end = one(at)
        out.append(der[at:end])
        at = end
    return out


OID = {
    "req": bytes.fromhex("06092a864886f70d01090e"), "ms": bytes.fromhex("060a2b06010401823702010e"),
    "challenge": bytes.fromhex("06092a864886f70d010907"), "san": bytes.fromhex("0603551d11"), "bc": bytes.fromhex("0603551d13"),
    "ku": bytes.fromhex("0603551d0f"), "eku": bytes.fromhex("0603551d25"), "ski": bytes.fromhex("0603551d0e"),
    "aki": bytes.fromhex("0603551d23"), "nc": bytes.fromhex("0603551d1e"), "org": bytes.fromhex("060355040a"),
    "cn": bytes.fromhex("0603550403"), "server": bytes.fromhex("06082b06010505070301"),
    "client": bytes.fromhex("06082b06010505070302"), "any": bytes.fromhex("0604551d2500"),
}
SHA256_EC = bytes.fromhex("300a06082a8648ce3d040302")
SHA1_EC = bytes.fromhex("300906072a8648ce3d0401")
TRUE = b"\x01\x01\xff"


def ext(oid, value, critical=False):
    return tlv(0x30, OID[oid], TRUE if critical else b"", tlv(4, value))


def san(*names):
    return tlv(0x30, *names)


def uri(text=ID):
    return tlv(0x86, text if isinstance(text, bytes) else text.encode())


def rdn(oid, tag, text):
    return tlv(0x31, tlv(0x30, OID[oid], tlv(tag, text)))


class Key:
    def __init__(self, curve=ec.SECP256R1()):
        self.key = ec.generate_private_key(curve)

    def spki(self, form=serialization.PublicFormat.SubjectPublicKeyInfo):
        return self.key.public_key().public_bytes(serialization.Encoding.DER, form)

    def sign(self, data, hash_=hashes.SHA256()):
        return self.key.sign(data, ec.ECDSA(hash_))


KEY = Key()


def attributes(*parts):
    return tlv(0xA0, *parts)


def request_ext(*exts):
    return tlv(0x30, OID["req"], tlv(0x31, tlv(0x30, *exts)))


def csr(subject=b"\x30\x00", spki=None, attrs=None, version=b"\x02\x01\x00", alg=SHA256_EC, hash_=hashes.SHA256(), key=None, tail=b""):
    key = key or KEY
    attrs = attributes(request_ext(ext("san", san(uri()), True))) if attrs is None else attrs
    info = tlv(0x30, version, subject, spki or key.spki(), attrs)
    return tlv(0x30, info, alg, tlv(3, b"\0", key.sign(info, hash_)), tail)


def cert(exts=None, serial=b"\x02\x02\x01\x00", version=b"\xa0\x03\x02\x01\x02", inner=SHA256_EC, subject=b"\x30\x00", times=None, spki=None,
         raw_exts=None, tail=b"", uid=b""):
    exts = leaf_exts() if exts is None else exts
    times = times or (tlv(0x17, b"260101000000Z"), tlv(0x17, b"270101000000Z"))
    body = tlv(0xA3, tlv(0x30, *exts)) if raw_exts is None else raw_exts
    tbs = tlv(0x30, version, serial, inner, tlv(0x30, rdn("cn", 0x0C, b"ca")), tlv(0x30, *times), subject, spki or KEY.spki(), uid, body)
    return tlv(0x30, tbs, SHA256_EC, tlv(3, b"\0", KEY.sign(tbs)), tail)


LEAF = {
    "san": ext("san", san(uri()), True), "ku": ext("ku", bytes.fromhex("03020780"), True), "bc": ext("bc", b"\x30\x00", True),
    "eku": ext("eku", tlv(0x30, OID["server"], OID["client"])), "ski": ext("ski", tlv(4, b"\x11" * 20)),
    "aki": ext("aki", tlv(0x30, tlv(0x80, b"\x22" * 20))),
}


def leaf_exts(**changed):
    parts = dict(LEAF, **changed)
    return [v for v in parts.values() if v is not None]


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], check=True, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


CONF = """[req]
distinguished_name=dn
prompt=no
string_mask=utf8only
[dn]
%(dn)s
[uri]
subjectAltName=critical,URI:%(id)s
[many]
subjectAltName=URI:%(id)s,DNS:a.example,DNS:b.example,IP:192.0.2.1,IP:2001:db8::1,email:a@b.example,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:u@d,RID:1.2.3.4,dirName:dn2
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
[dn2]
CN=x
[ca]
basicConstraints=critical,CA:TRUE,pathlen:3
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid:always,issuer:always
[leaf]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=critical,URI:%(id)s,DNS:a.example
[strange]
basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyAgreement,decipherOnly
extendedKeyUsage=anyExtendedKeyUsage,1.2.3.4
nameConstraints=critical,permitted;DNS:example
certificatePolicies=1.2.3.4
crlDistributionPoints=URI:http://crl.example/
subjectAltName=URI:%(id)s,URI:https://x.example/,IP:192.0.2.1,email:a@b.example
"""
GENPKEY = {
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "ed25519": ["-algorithm", "ED25519"],
    "rsa2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "secp256k1": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "explicit": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
}


def by_openssl(tmp):
    """What openssl(1) writes by itself: every key type, empty and full subjects, many names, a CA and its leafs."""
    conf, keys = os.path.join(tmp, "c"), {}
    for name, args in GENPKEY.items():
        keys[name] = os.path.join(tmp, name)
        openssl("genpkey", *args, "-out", keys[name])

    def req(name, key, section="uri", dn="O=x", *more):
        with open(conf, "w") as f:
            f.write(CONF % {"dn": dn, "id": ID})
        write(CSR, name, openssl("req", "-new", "-config", conf, "-key", keys[key], "-reqexts", section, "-outform", "DER", *more))

    for key in ("p256", "p384", "rsa2048", "ed25519"):
        req("ok-%s.der" % key, key)
    req("ok-empty-subject.der", "p256", "uri", "", "-subj", "/")
    req("ok-names.der", "p256", "many", "C=DE\nO=Ex\u00e4mple\nCN=x", "-utf8")
    req("ok-p256-sha512.der", "p256", "uri", "O=x", "-sha512")
    for key in ("rsa1024", "p521", "secp256k1", "explicit"):
        req("bad-%s.der" % key, key)
    req("bad-p521-sha512.der", "p521", "uri", "O=x", "-sha512")
    req("bad-sha1-rsa.der", "rsa2048", "uri", "O=x", "-sha1")
    req("bad-md5-rsa.der", "rsa2048", "uri", "O=x", "-md5")
    compressed = os.path.join(tmp, "compressed")
    openssl("ec", "-in", keys["p256"], "-conv_form", "compressed", "-out", compressed)
    keys["compressed"] = compressed
    req("bad-compressed-point.der", "compressed")
    by_openssl_certs(tmp, conf, keys)


def by_openssl_certs(tmp, conf, keys):
    with open(conf, "w") as f:
        f.write(CONF % {"dn": "O=Root\nCN=root", "id": ID})
    root = os.path.join(tmp, "root")
    for key in ("p256", "rsa2048", "p384", "ed25519"):
        der = openssl("req", "-x509", "-config", conf, "-key", keys[key], "-extensions", "ca", "-days", "36500", "-outform", "DER")
        write(CERT, "ok-root-%s.der" % key, der)
        if key == "p256":
            write(tmp, "root", openssl("x509", "-inform", "DER", data=der))
    write(tmp, "leafcsr", openssl("req", "-new", "-config", conf, "-key", keys["p256"], "-subj", "/"))
    for section in ("leaf", "strange"):
        write(CERT, "ok-%s.der" % section, openssl(
            "x509", "-req", "-in", os.path.join(tmp, "leafcsr"), "-CA", root, "-CAkey", keys["p256"], "-days", "2", "-extfile", conf,
            "-extensions", section, "-outform", "DER", "-set_serial", "0x7fffffffffffffffffffffffffffffffffffffff"))


def flip(der, at, bit=1):
    return der[:at] + bytes([der[at] ^ bit]) + der[at + 1:]


def indefinite(der):
    body = der[4:] if der[1] == 0x82 else der[3:]
    return der[:1] + b"\x80" + body + b"\0\0"


def one_san(*names, critical=True):
    return attributes(request_ext(ext("san", san(*names), critical)))


def csr_variants():
    good = csr()
    parts = split(good)
    empty_o = tlv(0x30, rdn("org", 0x13, b""))
    challenge = tlv(0x30, OID["challenge"], tlv(0x31, tlv(0x0C, b"pw")))
    bc = ext("bc", b"\x30\x00", True)
    the_san = ext("san", san(uri()), True)
    oid_cut = tlv(0x30, tlv(6, b"\x55\x1d\x91"), tlv(4, b"\x05\x00"))
    ok = {
        "pilot-agent": csr(subject=empty_o), "ztunnel": good, "no-attributes": csr(attrs=b"\xa0\x00"),
        "empty-org-utf8": csr(subject=tlv(0x30, rdn("org", 0x0C, b""))), "challenge": csr(attrs=attributes(request_ext(the_san), challenge)),
        "ms-extensions": csr(attrs=attributes(tlv(0x30, OID["ms"], tlv(0x31, tlv(0x30, the_san))))), "64-names": csr(attrs=one_san(*[uri()] * 64)),
        "other-extensions": csr(attrs=attributes(request_ext(the_san, bc, ext("ku", b"\x03\x02\x07\x80")))),
        "p384-sha384": csr(key=Key(ec.SECP384R1()), alg=bytes.fromhex("300a06082a8648ce3d040303"), hash_=hashes.SHA384()),
    }
    spki = KEY.spki()
    point = bytearray(spki)
    point[-1] ^= 1
    bad = {
        "signature": flip(good, len(good) - 1), "signed-part": good.replace(b"ns/a/", b"ns/c/"), "other-key": csr(spki=Key().spki()),
        "trailing-byte": good + b"\0", "trailing-inside": csr(tail=b"\x05\x00"), "cut": good[:-1], "empty": b"", "sequence-only": b"\x30\x00",
        "indefinite": indefinite(good), "length-not-minimal": good[:1] + b"\x83\x00" + good[2:4] + good[4:] if good[1] == 0x82 else good[:1] + b"\x82\x00" + good[2:],
        "version-2": csr(version=b"\x02\x01\x01"), "version-missing": csr(version=b""), "version-long": csr(version=b"\x02\x02\x00\x00"),
        "attributes-missing": csr(attrs=b""), "attributes-trailing": csr(attrs=one_san(uri()) + b"\x05\x00"),
        "attribute-twice": csr(attrs=attributes(request_ext(the_san), request_ext(the_san))), "challenge-twice": csr(attrs=attributes(challenge, challenge)),
        "attribute-no-value": csr(attrs=attributes(tlv(0x30, OID["challenge"], b"\x31\x00"))),
        "two-extension-lists": csr(attrs=attributes(tlv(0x30, OID["req"], tlv(0x31, tlv(0x30, the_san), tlv(0x30, bc))))),
        "extensions-empty": csr(attrs=attributes(request_ext())), "extension-twice": csr(attrs=attributes(request_ext(the_san, the_san))),
        "other-extension-twice": csr(attrs=attributes(request_ext(the_san, bc, bc))), "extension-oid-cut": csr(attrs=attributes(request_ext(oid_cut))),
        "critical-false": csr(attrs=attributes(request_ext(tlv(0x30, OID["san"], b"\x01\x01\x00", tlv(4, san(uri())))))),
        "critical-ber": csr(attrs=attributes(request_ext(tlv(0x30, OID["san"], b"\x01\x01\x01", tlv(4, san(uri())))))),
        "san-empty": csr(attrs=one_san()), "san-trailing": csr(attrs=attributes(request_ext(ext("san", san(uri()) + b"\x05\x00")))),
        "san-nul-in-uri": csr(attrs=one_san(uri(b"spiffe://td.example/a\0.evil"))), "san-nul-in-dns": csr(attrs=one_san(tlv(0x82, b"a.example\0.evil"))),
        "san-utf8-uri": csr(attrs=one_san(uri("spiffe://td.example/\u00e9"))), "san-latin1-dns": csr(attrs=one_san(tlv(0x82, b"\xe9.example"))),
        "san-nul-in-email": csr(attrs=one_san(tlv(0x81, b"a@b\0c"))), "san-ip-5": csr(attrs=one_san(tlv(0x87, b"\1\2\3\4\5"))),
        "san-ip-0": csr(attrs=one_san(tlv(0x87))), "san-ip-8-mask": csr(attrs=one_san(tlv(0x87, b"\0" * 8))),
        "san-tag-9": csr(attrs=one_san(tlv(0x89, b"x"))), "san-uri-constructed": csr(attrs=one_san(tlv(0xA6, tlv(0x16, ID.encode())))),
        "san-other-name-bare": csr(attrs=one_san(tlv(0xA0, tlv(6, b"\x2a"), tlv(0x0C, b"x")))), "san-other-name-pdv": csr(attrs=one_san(tlv(0xA0, tlv(6, b"\x2a"), tlv(0xA0, tlv(0x2B, b"\1\5"))))), "san-x400": csr(attrs=one_san(tlv(0xA3, b"\x30\x00"))),
        "65-names": csr(attrs=one_san(*[uri()] * 65)), "33-extensions": csr(attrs=attributes(request_ext(*[tlv(0x30, tlv(6, bytes([0x2A, i])), tlv(4)) for i in range(33)]))),
        "sha1": csr(alg=SHA1_EC, hash_=hashes.SHA1()), "alg-with-null": csr(alg=bytes.fromhex("300c06082a8648ce3d0403020500")),
        "alg-of-rsa": csr(alg=bytes.fromhex("300d06092a864886f70d01010b0500")), "signature-unused-bits": tlv(0x30, parts[0], parts[1], b"\x03" + parts[2][1:2] + b"\x01" + parts[2][3:]),
        "signature-empty": tlv(0x30, parts[0], parts[1], b"\x03\x01\x00"), "point-off-curve": csr(spki=bytes(point)),
        "point-infinity": csr(spki=tlv(0x30, split(spki)[0], b"\x03\x02\x00\x00")), "point-hybrid": csr(spki=spki[:-65] + bytes([6 + (spki[-1] & 1)]) + spki[-64:]),
        "subject-empty-set": csr(subject=b"\x30\x02\x31\x00"), "subject-no-value": csr(subject=tlv(0x30, tlv(0x31, tlv(0x30, OID["org"])))),
        "subject-set-order": csr(subject=tlv(0x30, tlv(0x31, tlv(0x30, OID["org"], tlv(0x0C, b"x")), tlv(0x30, OID["cn"], tlv(0x0C, b"x"))))),
        "subject-bad-utf8": csr(subject=tlv(0x30, rdn("cn", 0x0C, b"\xc0\x80"))), "subject-odd-bmp": csr(subject=tlv(0x30, rdn("cn", 0x1E, b"abc"))),
        "subject-integer": csr(subject=tlv(0x30, rdn("cn", 2, b"\1"))), "subject-latin1-printable": csr(subject=tlv(0x30, rdn("cn", 0x13, b"\xe9"))),
        "certificate": cert(), "info-twice": tlv(0x30, parts[0], parts[0], parts[1], parts[2]), "big": csr(attrs=one_san(uri("spiffe://td.example/" + "a" * 16384))),
        "set-for-sequence": b"\x31" + good[1:], "uninteresting-tag": b"\x30" + good[1:4] + b"\x3f" + good[5:],
    }
    return ok, bad


def cert_variants():
    good = cert()
    parts = split(good)
    ca_bc = tlv(0x30, TRUE)
    ok = {
        "plain": good, "no-extensions": cert(raw_exts=b""), "other-domain": cert(leaf_exts(san=ext("san", san(uri("spiffe://other/a")), True))),
        "two-uris": cert(leaf_exts(san=ext("san", san(uri(), uri("https://x.example/")), True))), "no-uri": cert(leaf_exts(san=ext("san", san(tlv(0x82, b"a.example")), True))),
        "no-san": cert(leaf_exts(san=None), subject=tlv(0x30, rdn("cn", 0x0C, b"x"))), "no-path": cert(leaf_exts(san=ext("san", san(uri("spiffe://td.example")), True))),
        "https-uri": cert(leaf_exts(san=ext("san", san(uri("https://td.example/a")), True))), "san-not-critical": cert(leaf_exts(san=ext("san", san(uri())))),
        "san-not-critical-subject": cert(leaf_exts(san=ext("san", san(uri()))), subject=tlv(0x30, rdn("cn", 0x0C, b"x"))),
        "ca": cert(leaf_exts(bc=ext("bc", ca_bc, True))), "no-bc": cert(leaf_exts(bc=None)), "no-ku": cert(leaf_exts(ku=None)),
        "ku-not-critical": cert(leaf_exts(ku=ext("ku", bytes.fromhex("03020780")))), "ku-encipherment-only": cert(leaf_exts(ku=ext("ku", bytes.fromhex("03020520"), True))),
        "ku-cert-sign": cert(leaf_exts(ku=ext("ku", bytes.fromhex("03020284"), True))), "ku-crl-sign": cert(leaf_exts(ku=ext("ku", bytes.fromhex("03020182"), True))),
        "no-eku": cert(leaf_exts(eku=None)), "eku-any": cert(leaf_exts(eku=ext("eku", tlv(0x30, OID["any"])))), "eku-server-only": cert(leaf_exts(eku=ext("eku", tlv(0x30, OID["server"])))),
        "eku-client-only": cert(leaf_exts(eku=ext("eku", tlv(0x30, OID["client"])))), "unknown-critical": cert(leaf_exts() + [tlv(0x30, tlv(6, b"\x2a\x03"), TRUE, tlv(4))]),
        "unknown-not-critical": cert(leaf_exts() + [tlv(0x30, tlv(6, b"\x2a\x03"), tlv(4))]), "name-constraints": cert(leaf_exts() + [ext("nc", tlv(0x30, tlv(0xA0, tlv(0x30, tlv(0x82, b"x")))), True)]),
        "serial-1": cert(serial=b"\x02\x01\x01"), "serial-20": cert(serial=b"\x02\x14\x7f" + b"\xff" * 19), "2050": cert(times=(tlv(0x17, b"491231235959Z"), tlv(0x18, b"99991231235959Z"))),
    }
    bad = {
        "trailing-byte": good + b"\0", "trailing-inside": cert(tail=b"\x05\x00"), "cut": good[:-1], "indefinite": indefinite(good), "v1": cert(version=b"", raw_exts=b""),
        "v1-explicit": cert(version=b"\xa0\x03\x02\x01\x00", raw_exts=b""), "v2": cert(version=b"\xa0\x03\x02\x01\x01"), "v4": cert(version=b"\xa0\x03\x02\x01\x03"),
        "version-trailing": cert(version=b"\xa0\x05\x02\x01\x02\x05\x00"), "serial-0": cert(serial=b"\x02\x01\x00"), "serial-negative": cert(serial=b"\x02\x01\x80"),
        "serial-21": cert(serial=b"\x02\x15\x01" + b"\0" * 20), "serial-20-and-sign": cert(serial=b"\x02\x15\x00" + b"\xff" * 20), "serial-padded": cert(serial=b"\x02\x02\x00\x01"),
        "serial-empty": cert(serial=b"\x02\x00"), "algorithms-differ": cert(inner=bytes.fromhex("300a06082a8648ce3d040303")), "extension-twice": cert(leaf_exts() + [LEAF["san"]]),
        "unknown-extension-twice": cert(leaf_exts() + [tlv(0x30, tlv(6, b"\x2a\x03"), tlv(4))] * 2), "extensions-empty": cert([]), "extensions-trailing": cert(raw_exts=tlv(0xA3, tlv(0x30, LEAF["san"]), b"\x05\x00")),
        "critical-false": cert([tlv(0x30, OID["san"], b"\x01\x01\x00", tlv(4, san(uri())))]), "san-nul": cert(leaf_exts(san=ext("san", san(uri(ID + "\0x")), True))),
        "san-empty": cert(leaf_exts(san=ext("san", san(), True))), "san-ip-3": cert(leaf_exts(san=ext("san", san(tlv(0x87, b"abc")), True))), "ku-empty": cert(leaf_exts(ku=ext("ku", b"\x03\x01\x00", True))),
        "ku-not-minimal": cert(leaf_exts(ku=ext("ku", bytes.fromhex("03020680"), True))), "ku-trailing": cert(leaf_exts(ku=ext("ku", bytes.fromhex("030207800500"), True))),
        "bc-false-encoded": cert(leaf_exts(bc=ext("bc", tlv(0x30, b"\x01\x01\x00"), True))), "bc-path-without-ca": cert(leaf_exts(bc=ext("bc", tlv(0x30, b"\x02\x01\x00"), True))),
        "bc-path-negative": cert(leaf_exts(bc=ext("bc", tlv(0x30, TRUE, b"\x02\x01\xff"), True))), "bc-path-huge": cert(leaf_exts(bc=ext("bc", tlv(0x30, TRUE, b"\x02\x05\x00\x80\0\0\0"), True))),
        "bc-trailing": cert(leaf_exts(bc=ext("bc", b"\x30\x00\x05\x00", True))), "eku-empty": cert(leaf_exts(eku=ext("eku", b"\x30\x00"))), "eku-not-oid": cert(leaf_exts(eku=ext("eku", tlv(0x30, b"\x05\x00")))),
        "ski-empty": cert(leaf_exts(ski=ext("ski", b"\x04\x00"))), "ski-sequence": cert(leaf_exts(ski=ext("ski", b"\x30\x00"))), "aki-empty-id": cert(leaf_exts(aki=ext("aki", b"\x30\x02\x80\x00"))),
        "aki-issuer-alone": cert(leaf_exts(aki=ext("aki", tlv(0x30, tlv(0xA1, tlv(0x82, b"x")))))), "aki-serial-alone": cert(leaf_exts(aki=ext("aki", tlv(0x30, tlv(0x82, b"\1"))))),
        "generalized-2049": cert(times=(tlv(0x17, b"260101000000Z"), tlv(0x18, b"20491231235959Z"))), "time-no-seconds": cert(times=(tlv(0x17, b"2601010000Z"), tlv(0x17, b"270101000000Z"))),
        "time-offset": cert(times=(tlv(0x17, b"260101000000+0000"), tlv(0x17, b"270101000000Z"))), "time-missing": cert(times=(tlv(0x17, b"260101000000Z"),)),
        "unique-id": cert(uid=b"\x81\x02\x00\x01"), "signature-unused-bits": tlv(0x30, parts[0], parts[1], b"\x03" + parts[2][1:2] + b"\x01" + parts[2][3:]), "request": csr(),
        "point-compressed": cert(spki=tlv(0x30, split(KEY.spki())[0], tlv(3, b"\0" + KEY.key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)))),
        "big": cert(leaf_exts(san=ext("san", san(uri("spiffe://td.example/" + "a" * 16384)), True))),
    }
    return ok, bad


def main():
    for folder in (CSR, CERT):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    with tempfile.TemporaryDirectory() as tmp:
        by_openssl(tmp)
    ok, bad = csr_variants()
    for kind, rows in (("ok", ok), ("bad", bad)):
        for name, der in rows.items():
            write(CSR, "%s-%s.der" % (kind, name), der)
    ok, bad = cert_variants()
    for kind, rows in (("ok", ok), ("bad", bad)):
        for name, der in rows.items():
            write(CERT, "%s-%s.der" % (kind, name), der)
    pem = openssl("req", "-inform", "DER", data=csr(subject=tlv(0x30, rdn("org", 0x13, b""))))
    write(CSR, "ok-pilot-agent.pem", pem)
    write(CSR, "ok-ztunnel.pem", openssl("req", "-inform", "DER", data=csr()))
    print(len(os.listdir(CSR)), "requests,", len(os.listdir(CERT)), "certificates")


if __name__ == "__main__":
    sys.exit(main())
