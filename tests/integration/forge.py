"""The CA's own key, read from a test daemon's directory as docs/protocols/key-at-rest.md and storage.md describe it, and what a
thief could make with it: certificates that Signet itself would never issue."""
import datetime
import pathlib

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import certs_of, make_key, now

USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
          "crl_sign", "encipher_only", "decipher_only")
HOUR = datetime.timedelta(hours=1)


def unwrap(kek, blob, label):
    head, salt, sealed = blob[:37], blob[5:37], blob[37:]
    derived = HKDF(hashes.SHA256(), 44, salt, b"signet key at rest").derive(kek)
    return AESGCM(derived[:32]).decrypt(derived[32:], sealed, head + label)


def ca_key(data_dir, root):
    kek = HKDF(hashes.SHA256(), 32, None, b"signet imported CA key").derive(pathlib.Path(data_dir, "key-encryption-key").read_bytes())
    ski = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    label = b"ca-root-key/" + ski.hex().encode()
    for path in pathlib.Path(data_dir).iterdir():
        content = path.read_bytes()
        at = content.find(b"SGNK\x01")
        while at >= 0:
            for size in range(37 + 16 + 40, 37 + 16 + 300):
                try:
                    return serialization.load_der_private_key(unwrap(kek, content[at:at + size], label), None)
                except InvalidTag:
                    continue
            at = content.find(b"SGNK\x01", at + 1)
    raise AssertionError("no key found")


class Forger:
    """Signs whatever it is told under `root` (a certificate) and its key; by default a root of its own."""

    def __init__(self, root=None, key=None):
        self.key = key or make_key()
        self.root = root or self.self_signed()

    @classmethod
    def of(cls, signet):
        """Under the root of a running daemon."""
        root = certs_of(signet.roots())[0]
        return cls(root, ca_key(signet.dir / "data", root))

    def self_signed(self):
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "example.org")])
        return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now() - HOUR).not_valid_after(now() + 24 * HOUR)
                .add_extension(x509.BasicConstraints(True, None), True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False).sign(self.key, hashes.SHA256()))

    def leaf(self, uris, dns=(), begin=-HOUR, end=HOUR, ca=False, usages=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)):
        """(key, certificate); times are from now."""
        key = make_key()
        builder = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(self.root.subject)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now() + begin).not_valid_after(now() + end)
                   .add_extension(x509.BasicConstraints(ca, None), True)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                       self.root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value), False))
        usage = {u: u == "digital_signature" for u in USAGES}
        builder = builder.add_extension(x509.KeyUsage(**usage), True)
        names = [x509.UniformResourceIdentifier(u) for u in uris] + [x509.DNSName(d) for d in dns]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), True)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        return key, builder.sign(self.key, hashes.SHA256())
