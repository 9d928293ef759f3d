"""DER by hand: requests that careful libraries refuse to make."""
import base64

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")
SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
ORGANIZATION = bytes.fromhex("060355040a")
TRUE = bytes.fromhex("0101ff")


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    n = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | n]) + len(body).to_bytes(n, "big") + body


def seq(*parts):
    return tlv(0x30, *parts)


def empty_org():
    """The subject that pilot-agent sends: O= with a PrintableString of no characters."""
    return seq(tlv(0x31, seq(ORGANIZATION, tlv(0x13))))


def uri_san(uri):
    """The attribute that asks for a critical subjectAltName with one URI, whatever bytes it has."""
    names = seq(tlv(0x86, uri if isinstance(uri, bytes) else uri.encode()))
    extension = seq(SUBJECT_ALT_NAME, TRUE, tlv(0x04, names))
    return seq(EXTENSION_REQUEST, tlv(0x31, seq(extension)))


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def request(key, subject=seq(), attributes=(), signer=None):
    """DER of a PKCS#10 request for `key`, signed by `signer` (by default the same key, as it should be)."""
    info = seq(tlv(0x02, b"\0"), subject, spki(key), tlv(0xA0, *attributes))
    signer = signer or key
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        algorithm, signature = ECDSA_SHA256, signer.sign(info, ec.ECDSA(hashes.SHA256()))
    else:
        algorithm, signature = RSA_SHA256, signer.sign(info, padding.PKCS1v15(), hashes.SHA256())
    return seq(info, algorithm, tlv(0x03, b"\0", signature))


def pem(der, label="CERTIFICATE REQUEST"):
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
