"""verify.py DIR: pkilint and pyca cryptography over the certificates of DIR.  Runs in the virtual environment of requirements.txt.

A line for each test, "PASS name" or "FAIL name: why"; the caller counts them.
"""
import logging
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from pkilint import loader, validation
from pkilint.bin import lint_pkix_signer_signee_cert_chain as chain_lint
from pkilint.pkix import certificate, extension, name

# pkilint's only word on a correct SPIFFE certificate: its URI check knows http-like schemes only (validators.url).
TOOL_LIMITS = {"pkix.invalid_uri_syntax"}


def serious(results, skip=frozenset()):
    """Codes of all findings of severity notice and above."""
    return sorted({str(d.finding.code) for r in results for d in r.finding_descriptions
                   if d.finding.severity <= validation.ValidationFindingSeverity.NOTICE} - skip)


def pkix_validator():
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [certificate.create_issuer_validator_container([]), certificate.create_validity_validator_container(),
         certificate.create_subject_validator_container([]), certificate.create_extensions_validator_container([]),
         certificate.create_spki_validator_container([])])


def pkilint_pkix(sample):
    """RFC 5280, on leaf and root (the root of a CA that was brought is not ours)."""
    for file in ("leaf.pem",) if sample.name.startswith("brought") else ("leaf.pem", "roots.pem"):
        doc = loader.RFC5280CertificateDocumentLoader().load_pem_document((sample / file).read_text(), file)
        found = set(serious(pkix_validator().validate(doc.root)))
        if file == "leaf.pem" and not found & TOOL_LIMITS:
            raise AssertionError("the known finding is missing: did the lints run?")
        if found - TOOL_LIMITS:
            raise AssertionError(f"{file}: {sorted(found - TOOL_LIMITS)}")


def pkilint_chain(sample, issuer="issuer.pem"):
    """Issuer against subject: names equal byte for byte, AKI is the issuer's SKI, the signature."""
    docs = {}
    load = loader.RFC5280CertificateDocumentLoader().load_pem_document
    for role, file in (("issuer", issuer), ("subject", "leaf.pem")):
        docs[role] = load((sample / file).read_text(), file, role, docs)
    decode = chain_lint.create_decoder_validation_container()
    results = decode.validate(docs["issuer"].root) + decode.validate(docs["subject"].root)
    results += chain_lint.create_issuer_validation_container().validate(docs["issuer"].root)
    results += chain_lint.create_subject_validation_container().validate(docs["subject"].root)
    return serious(results)


def pkilint_chain_both(sample):
    found = pkilint_chain(sample)
    if found:
        raise AssertionError(str(found))
    if not pkilint_chain(sample, "stranger.pem"):
        raise AssertionError("no finding against another root")


def pyca(sample):
    """Client verification; pyca's server verification asks for a DNS or IP name, which a SPIFFE certificate has not."""
    leaf, *between = x509.load_pem_x509_certificates((sample / "chain.pem").read_bytes())

    def verified(file):
        store = Store(x509.load_pem_x509_certificates((sample / file).read_bytes()))
        return PolicyBuilder().store(store).build_client_verifier().verify(leaf, between)

    issuer = x509.load_pem_x509_certificate((sample / "issuer.pem").read_bytes())
    if isinstance(issuer.public_key(), ed25519.Ed25519PublicKey):
        leaf.verify_directly_issued_by(issuer)  # all that is left: its path validation takes no issuer with an Ed25519 key
        return
    names = [n.value for n in verified("roots.pem").subjects]
    if names != [(sample / "id").read_text().strip()]:
        raise AssertionError(f"names {names}")
    try:
        verified("stranger.pem")
    except VerificationError:
        return
    raise AssertionError("verifies under another root")


def main():
    logging.disable()  # pkilint logs a traceback when the stranger's key is of another type than the signature
    samples = sorted(p.parent for p in pathlib.Path(sys.argv[1]).glob("*/leaf.pem"))
    for title, check in (("pkilint RFC 5280", pkilint_pkix), ("pkilint chain", pkilint_chain_both), ("pyca cryptography", pyca)):
        bad = {}
        for sample in samples:
            root = bad.setdefault(sample.name.split("-")[0], [])
            try:
                check(sample)
            except Exception as e:  # pylint: disable=broad-except  # a tool that breaks is a finding too
                root.append(f"{sample.name}: {type(e).__name__} {e}")
        for root, why in bad.items():
            print(f"FAIL {title}: certificates of a {root} root: {'; '.join(why)}" if why else
                  f"PASS {title}: certificates of a {root} root")


main()
