"""deploy/examples: each configuration is good and decides as its comments say."""
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import time

import grpc
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from harness import BIN, Signet, certs_of, key_pem, make_csr, make_key, san_uris
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
    assert {p.name for p in EXAMPLES.glob("*.yaml")} == {"istio.yaml", "vm.yaml", "dns-names.yaml", "nomad.yaml", "ra-cert-manager.yaml"}


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
    ("ra-cert-manager.yaml", ["issuer=cluster", "k8s.namespace=shop", "k8s.service_account=cart"], [],
     "spiffe://cluster.local/ns/shop/sa/cart", None),
    ("ra-cert-manager.yaml", ["issuer=cluster", "k8s.namespace=shop", "k8s.service_account=cart"], ["--issuer", "mesh"],
     "spiffe://cluster.local/ns/shop/sa/cart", None),
    ("ra-cert-manager.yaml", ["issuer=cluster", "k8s.namespace=shop", "k8s.service_account=cart"], ["--issuer", "default"], None, None),
    ("ra-cert-manager.yaml", ["issuer=cluster", "k8s.namespace=istio-system", "k8s.service_account=ztunnel"],
     ["--impersonate", "spiffe://cluster.local/ns/shop/sa/cart"], "spiffe://cluster.local/ns/shop/sa/cart", None),
    ("ra-cert-manager.yaml", ["issuer=cluster", "k8s.namespace=shop", "k8s.service_account=ztunnel"],
     ["--impersonate", "spiffe://cluster.local/ns/shop/sa/cart"], None, None),
    ("ra-cert-manager.yaml", [], ["--method", "mtls", "--id", "spiffe://cluster.local/ns/shop/sa/cart"], None, None),
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
    ("nomad.yaml", ["issuer=nomad", "claim.nomad_namespace=default", "claim.nomad_job_id=shop", "claim.nomad_task=web"], [],
     "spiffe://example.org/nomad/default/shop/web", None),
    ("nomad.yaml", ["issuer=nomad", "claim.nomad_namespace=default", "claim.nomad_job_id=a/b", "claim.nomad_task=web"], [], None, None),
    ("nomad.yaml", ["issuer=nomad", "claim.nomad_namespace=default", "claim.nomad_job_id=shop", "claim.nomad_service=web"], [], None, None),
    ("nomad.yaml", ["issuer=other", "claim.nomad_namespace=default", "claim.nomad_job_id=shop", "claim.nomad_task=web"], [], None, None),
    ("nomad.yaml", [], ["--method", "mtls", "--id", "spiffe://example.org/nomad/default/shop/web"],
     "spiffe://example.org/nomad/default/shop/web", None),
]


@pytest.mark.parametrize("name, attributes, more, spiffe_id, dns", DECISIONS)
def test_each_example_decides_as_it_says(name, attributes, more, spiffe_id, dns):
    args = [a for attribute in attributes for a in ("--attr", attribute)]
    r = signet("policy", "test", "--config", str(EXAMPLES / name), *args, *more)
    assert r.returncode == (0 if spiffe_id else 1), r.stdout + r.stderr
    assert ("SPIFFE ID  " + spiffe_id + "\n" in r.stdout) if spiffe_id else r.stdout.startswith("denied")
    assert ("DNS name   " + dns + "\n" in r.stdout) if dns else "DNS name" not in r.stdout


# ---- Nomad: a workload identity as its servers sign it ----

NOMAD = Issuer("https://nomad.example.org", "RS256")
TASK = {"aud": "signet", "jti": "b8b6e2ee-1d5e-4b3a-9f0d-0a6a3b1c9d42", "nomad_namespace": "default", "nomad_job_id": "shop",
        "nomad_allocation_id": "5c6328f7-48c5-4d03-bada-91ef2e904d0d", "nomad_task": "web", "sub": "global:default:shop:front:web:signet"}


@pytest.fixture(scope="module")
def nomad():
    """The example; its keys from a file, as there is no Nomad here."""
    text = (EXAMPLES / "nomad.yaml").read_text()
    text, n = re.subn(r"discovery: true.*\n *ca_file: .*", "jwks_file: '@DIR@/keys.jwks'", text)
    assert n == 1
    s = Signet(text)
    NOMAD.write(s.dir).rename(s.dir / "keys.jwks")
    with s:
        yield s


def ask(daemon, claims, **more):
    token = NOMAD.token({"nbf": int(time.time()), **TASK, **claims}, **more)
    return certs_of(daemon.ask(make_csr(make_key(), "spiffe://example.org/x"), token=token)[0])[0]


@pytest.mark.parametrize("claims, spiffe_id", [
    ({}, "spiffe://example.org/nomad/default/shop/web"),
    ({"aud": ["other", "signet"]}, "spiffe://example.org/nomad/default/shop/web"),
    ({"nomad_namespace": "pay-2", "nomad_job_id": "a.b_c"}, "spiffe://example.org/nomad/pay-2/a.b_c/web"),
    ({"extra_claims": {"unit": "x"}, "consul_namespace": "default"}, "spiffe://example.org/nomad/default/shop/web"),
])
def test_a_nomad_task_gets_the_id_of_its_job(nomad, claims, spiffe_id):
    assert san_uris(ask(nomad, claims)) == [spiffe_id]


@pytest.mark.parametrize("claims, more, code", [
    ({"aud": "nomadproject.io"}, {}, grpc.StatusCode.UNAUTHENTICATED),  # the default identity, which is for Nomad
    ({"aud": None}, {}, grpc.StatusCode.UNAUTHENTICATED),
    ({"iss": None}, {}, grpc.StatusCode.UNAUTHENTICATED),  # servers without oidc_issuer
    ({"iss": "https://nomad.example.org/"}, {}, grpc.StatusCode.UNAUTHENTICATED),
    ({}, {"lifetime": -3600}, grpc.StatusCode.UNAUTHENTICATED),
    ({}, {"lifetime": 7200}, grpc.StatusCode.UNAUTHENTICATED),  # max_lifetime
    ({}, {"key": Issuer("https://nomad.example.org", "RS256").key}, grpc.StatusCode.UNAUTHENTICATED),
    ({"nomad_task": None, "nomad_service": "web"}, {}, grpc.StatusCode.PERMISSION_DENIED),
    ({"nomad_job_id": None}, {}, grpc.StatusCode.PERMISSION_DENIED),
    ({"nomad_job_id": "a/b"}, {}, grpc.StatusCode.PERMISSION_DENIED),
    ({"nomad_job_id": ".."}, {}, grpc.StatusCode.PERMISSION_DENIED),
    ({"nomad_job_id": {"shop": 1}}, {}, grpc.StatusCode.PERMISSION_DENIED),
    ({"nomad_namespace": ""}, {}, grpc.StatusCode.PERMISSION_DENIED),
])
def test_what_is_no_identity_of_a_nomad_task_is_refused(nomad, claims, more, code):
    with pytest.raises(grpc.RpcError) as e:
        ask(nomad, claims, **more)
    assert e.value.code() == code


def test_operations_names_every_metric():
    top = EXAMPLES.parents[1]
    names = set(re.findall(r'"((?:signet|citadel)_[a-z_]+)"', "".join((top / "base" / f).read_text() for f in ("metrics_table.h", "metrics_limits.h", "metrics.c"))))
    page = (top / "docs" / "operations.md").read_text()
    assert len(names) > 25
    assert sorted(n for n in names if n not in page) == []


def test_what_operations_says_about_istio_is_in_the_example():
    r = signet("config", "show", "-o", "json", "--config", str(EXAMPLES / "istio.yaml"))
    conf = json.loads(r.stdout)
    assert conf["tls"]["names"][0] == "signet.signet-system.svc"
    assert conf["jwt_issuers"][0]["audiences"] == ["istio-ca"]


# ---- Kubernetes: what the example needs leave for ----

MANIFEST = EXAMPLES.parent / "kubernetes" / "rbac-ra.yaml"
RA = EXAMPLES / "ra-cert-manager.yaml"


def test_the_rbac_of_the_example_is_fresh():
    r = signet("kube", "rbac", "--config", str(RA), "--service-account", "signet-system:signet")
    text = re.sub("^(#.*\n)*", "", MANIFEST.read_text())
    assert r.returncode == 0 and r.stdout == text, "deploy/kubernetes/rbac-ra.yaml is stale: tools/regenerate"


def test_the_rbac_of_the_example_is_read_as_it_is_meant():
    documents = list(yaml.safe_load_all(MANIFEST.read_text()))
    assert [d["kind"] for d in documents] == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    assert {len(d["subjects"]) for d in documents if "subjects" in d} == {1}
    rules = [r for d in documents for r in d.get("rules", [])]
    assert not [r for r in rules if "*" in r["verbs"] + r.get("resources", []) + r.get("apiGroups", [])]
    assert [r["resourceNames"] for r in rules if "approve" in r["verbs"]] == [["clusterissuers.cert-manager.io/mesh"]]
    assert {v for r in rules for v in r["verbs"]} == {"create", "get", "list", "watch", "delete", "patch", "approve"}


@pytest.mark.parametrize("args, status, said", [
    (["rbac", "--user", "jane"], 0, None),
    (["rbac", "--user", "jane", "--cluster", "Kubernetes"], 0, None),
    (["rbac"], 2, "give one of"),
    (["rbac", "--user", "jane", "--service-account", "a:b"], 2, "give one of"),
    (["rbac", "--service-account", "a"], 2, "write NAMESPACE:NAME"),
    (["rbac", "--service-account", "a:b:c"], 2, "write NAMESPACE:NAME"),
    (["rbac", "--user", "a\nb"], 2, "printable"),
    (["rbac", "--user", ""], 2, "printable"),
    (["rbac", "--user", "a" * 257], 2, "printable"),
    (["rbac", "--user", "jane", "--cluster", "west"], 4, "no cluster with the id west"),
    (["check", "--cluster", "west"], 4, "no cluster with the id west"),
])
def test_kube_commands_say_what_is_wrong_with_the_line(args, status, said):
    r = signet("kube", *args, "--config", str(RA))
    assert r.returncode == status and (said or "") in r.stderr


def test_kube_check_says_what_cannot_be_used(tmp_path):
    path = tmp_path / "signet.yaml"
    path.write_text(f"trust_domain: example.org\nuser: nobody\nclusters: [{{ id: a, kubeconfig: {tmp_path}/none }}]\n")
    r = signet("kube", "check", "--config", str(path))
    assert r.returncode == 1 and r.stdout.startswith("cluster a\n  FAILED   credentials: ") and "all good" not in r.stdout
    r = signet("kube", "check", "--config", str(path), "-o", "json")
    answer = json.loads(r.stdout)
    assert r.returncode == 1 and not answer["good"] and [c["state"] for c in answer["checks"]] == ["failed"] and answer["missing"] == []
    path.write_text("trust_domain: example.org\nuser: nobody\n")
    r = signet("kube", "check", "--config", str(path))
    assert r.returncode == 0 and r.stdout.startswith("nothing to check")


def test_kube_rbac_is_of_one_cluster(tmp_path):
    path = tmp_path / "signet.yaml"
    path.write_text("trust_domain: example.org\n")
    assert signet("kube", "rbac", "--user", "jane", "--config", str(path)).returncode == 4
    path.write_text("trust_domain: example.org\nclusters: [{ id: a }, { id: b }]\n")
    r = signet("kube", "rbac", "--user", "jane", "--config", str(path))
    assert r.returncode == 2 and "--cluster" in r.stderr
    r = signet("kube", "rbac", "--user", "jane", "--config", str(path), "--cluster", "b", "-o", "json")
    assert json.loads(r.stdout) == {"cluster": "b", "manifest": ""}


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
