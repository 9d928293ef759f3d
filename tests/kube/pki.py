"""Certificates as a cluster, a signer or an attacker needs them."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SECOND = datetime.timedelta(seconds=1)
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
USAGES = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}  # by their Kubernetes names
KEY_USAGE = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only")


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name="", organizations=()):
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name(parts + ([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []))


def pem(*certificates):
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


class Authority:
    """A CA that another one certified, or itself."""

    def __init__(self, common_name, issuer=None, **validity):
        self.issuer, self.name, self.key = issuer, name(common_name), new_key()
        validity = {"end": now() + 30 * DAY, **validity}
        self.certificate = (issuer or self).sign(self.name, self.key.public_key(), ca=True, usages=(), **validity)

    def chain(self):
        """Its own certificate first, a root last."""
        return [self.certificate] + (self.issuer.chain() if self.issuer else [])

    def sign(self, subject, public_key, *, names=(), critical=True, ca=False, usages=tuple(USAGES.values()), start=None, end=None):
        allowed = {"key_cert_sign", "crl_sign"} if ca else {"digital_signature"}
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                   .serial_number(x509.random_serial_number()).not_valid_before(start or now() - MINUTE).not_valid_after(end or now() + DAY)
                   .add_extension(x509.BasicConstraints(ca, None), True)
                   .add_extension(x509.KeyUsage(**{bit: bit in allowed for bit in KEY_USAGE}), True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        return builder.sign(self.key, hashes.SHA256())
