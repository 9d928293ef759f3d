"""deploy/examples: each configuration is good and decides as its comments say."""
import datetime
import json
import pathlib
import re
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from harness import BIN, key_pem, make_key
from tokens import Issuer

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "examples"


def signet(*args, **more):
    return subprocess.run([BIN / "signet", *args], capture_output=True, text=True, timeout=30, **more)


@pytest.fixture(params=sorted(p.name for p in EXAMPLES.glob("*.yaml")))
def example(request, tmp_path):
    path = tmp_path / request.param
    shutil.copy(EXAMPLES / request.param, path)
    for name in re.findall(r"jwks_file: (\S+)", path.read_text()):
        (tmp_path / name).write_text(json.dumps({"keys": [Issuer("https://any").jwk()]}))
    return path


def test_there_are_examples():
    assert {p.name for p in EXAMPLES.glob("*.yaml")} == {"istio.yaml", "vm.yaml", "dns-names.yaml"}


def test_each_example_is_good(example):
    r = signet("config", "check", str(example))
    assert r.returncode == 0, r.stderr
    assert "is good" in r.stdout


DECISIONS = [  # example, arguments of policy test, SPIFFE ID that is granted or None, DNS name or None
    ("istio.yaml", ["issuer=cluster", "k8s.namespace=shop", "k8s.service_account=cart"], [],
     "spiffe://cluster.local/ns/shop/sa/cart", None),
    ("istio.yaml", ["issuer=cluster", "k8s.namespace=istio-system", "k8s.service_account=ztunnel"],
     ["--impersonate", "spiffe://cluster.local/ns/shop/sa/cart"], "spiffe://cluster.local/ns/shop/sa/cart", None),
    ("istio.yaml", ["issuer=cluster", "k8s.namespace=shop", "k8s.service_account=ztunnel"],
     ["--impersonate", "spiffe://cluster.local/ns/shop/sa/cart"], None, None),
    ("istio.yaml", ["issuer=other", "k8s.namespace=shop", "k8s.service_account=cart"], [], None, None),
    ("vm.yaml", [], ["--method", "join_token", "--id", "spiffe://vm.example.org/vm/db1"], "spiffe://vm.example.org/vm/db1", None),
    ("vm.yaml", [], ["--method", "mtls", "--id", "spiffe://vm.example.org/vm/db1"], "spiffe://vm.example.org/vm/db1", None),
    ("vm.yaml", [], ["--method", "mtls", "--id", "spiffe://vm.example.org/vm/old-db1"], None, None),
    ("vm.yaml", [], ["--method", "join_token", "--id", "spiffe://vm.example.org/ns/a/sa/b"], None, None),
    ("dns-names.yaml", ["issuer=ci", "claim.project=web", "claim.environment=prod"], [],
     "spiffe://example.org/svc/prod/web", "web.prod.example.org"),
    ("dns-names.yaml", ["issuer=ci", "claim.project=web", "claim.environment=dev"], [], "spiffe://example.org/ci/web", None),
    ("dns-names.yaml", ["issuer=ci", "claim.project=web", "claim.environment=prod"], ["--key-type", "rsa"], None, None),
    ("dns-names.yaml", ["issuer=ci", "claim.project=web", "claim.ref_protected=false"], [], None, None),
    ("dns-names.yaml", ["issuer=ci", "claim.project=a.b", "claim.environment=prod"], [], None, None),
]


@pytest.mark.parametrize("name, attributes, more, spiffe_id, dns", DECISIONS)
def test_each_example_decides_as_it_says(name, attributes, more, spiffe_id, dns):
    args = [a for attribute in attributes for a in ("--attr", attribute)]
    r = signet("policy", "test", "--config", str(EXAMPLES / name), *args, *more)
    assert r.returncode == (0 if spiffe_id else 1), r.stdout + r.stderr
    assert ("SPIFFE ID  " + spiffe_id + "\n" in r.stdout) if spiffe_id else r.stdout.startswith("denied")
    assert ("DNS name   " + dns + "\n" in r.stdout) if dns else "DNS name" not in r.stdout


def test_operations_names_every_metric():
    top = EXAMPLES.parents[1]
    names = set(re.findall(r'"((?:signet|citadel)_[a-z_]+)"', "".join((top / "base" / f).read_text() for f in ("metrics.h", "metrics.c"))))
    page = (top / "docs" / "operations.md").read_text()
    assert len(names) > 25
    assert sorted(n for n in names if n not in page) == []


def test_what_operations_says_about_istio_is_in_the_example():
    r = signet("config", "show", "-o", "json", "--config", str(EXAMPLES / "istio.yaml"))
    conf = json.loads(r.stdout)
    assert conf["tls"]["names"][0] == "signet.signet-system.svc"
    assert conf["jwt_issuers"][0]["audiences"] == ["istio-ca"]


# ---- what config check finds in the files that a configuration names ----

def certificate(key, days):
    now, name = datetime.datetime.utcnow(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca.example.org")])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - datetime.timedelta(9)).not_valid_after(now + datetime.timedelta(days)))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def tls(tmp_path):
    a, b = make_key(), make_key()
    for name, data in {"a.key": key_pem(a), "b.key": key_pem(b), "a.pem": certificate(a, 2), "old.pem": certificate(a, -1),
                       "junk": b"junk", "kek": bytes(32)}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("config, problem", [
    ("tls: { cert_file: a.pem, key_file: a.key }", None),
    ("tls: { cert_file: a.pem, key_file: b.key }", "tls.key_file is not the key of the first certificate in tls.cert_file"),
    ("tls: { cert_file: junk, key_file: a.key }", "tls.cert_file: holds no certificate in PEM"),
    ("tls: { cert_file: a.pem, key_file: junk }", "tls.key_file: holds no private key in PEM, or one with a passphrase"),
    ("tls: { cert_file: a.pem, key_file: a.pem }", "tls.key_file: holds no private key in PEM, or one with a passphrase"),
    ("tls: { cert_file: old.pem, key_file: a.key }", "tls.cert_file: its first certificate has ended"),
    ("ca: { key_encryption_key_file: kek }", None),
    ("ca: { key_encryption_key_file: junk }", "ca.key_encryption_key_file: a key is 32 raw bytes or 64 hex digits, not 4 bytes"),
])
def test_config_check_reads_what_the_file_names(tls, config, problem):
    (tls / "signet.yaml").write_text("trust_domain: example.org\n" + config + "\n")
    r = signet("config", "check", str(tls / "signet.yaml"))
    assert r.returncode == (1 if problem else 0), r.stdout + r.stderr
    assert r.stderr == (f"signet: {problem}\n" if problem else "")
