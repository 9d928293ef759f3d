"""What the operator's command does to a running daemon, and what it needs none for; its daily use is in test_command.py."""
import json
import subprocess

import grpc
import pytest

from harness import BIN, Signet, certs_of, key_pem, make_csr, make_key, san_uris
from tokens import Issuer

ID = "spiffe://example.org/ns/web/sa/shop"
CLUSTER = Issuer("https://issuer.example/cluster")
CONFIG = """
jwt_issuers:
  - { name: cluster, issuer: https://issuer.example/cluster, jwks_file: @DIR@/cluster.jwks, audiences: [istio-ca], kind: kubernetes }
"""
JWT = CLUSTER.token({"sub": "system:serviceaccount:web:shop", "aud": "istio-ca"})
CSR = make_csr(make_key(), ID)
BANNED = (grpc.StatusCode.PERMISSION_DENIED, "CSR signing error (keeper: banned)")


@pytest.fixture(scope="module")
def signet():
    s = Signet(CONFIG)
    CLUSTER.write(s.dir)
    with s:
        yield s


def run(*args, env=None, stdin=None):
    return subprocess.run([BIN / "signet", *args], capture_output=True, text=True, timeout=30, env=env, input=stdin)


# ---- bans, on every way in ----

def test_ban_stops_every_way_in_at_once_and_unban_opens_them_again(signet):
    key = make_key()
    spent, unspent = signet.token(ID), signet.token(ID)
    chain = signet.ask(make_csr(key, ID), token=spent)
    with signet.channel() as plain, signet.channel(key_pem(key), "".join(chain).encode()) as mtls:
        ways = {"the connection of before": dict(csr=CSR, channel=mtls), "a JWT": dict(csr=CSR, token=JWT, channel=plain),
                "a join token": dict(csr=CSR, token=unspent, channel=plain),
                "a spent token again": dict(csr=make_csr(key, ID), token=spent, channel=plain)}
        assert signet.ask(CSR, channel=mtls) and signet.ask(CSR, token=JWT, channel=plain)
        signet.signet("identity", "ban", "spiffe_id", ID, "--reason", "stolen")
        for name, ask in ways.items():
            with pytest.raises(grpc.RpcError) as e:
                signet.ask(**ask)
            assert (e.value.code(), e.value.details()) == BANNED, name
        signet.signet("identity", "unban", "spiffe_id", ID)
        for name, ask in ways.items():
            assert san_uris(certs_of(signet.ask(**ask)[0])[0]) == [ID], name


@pytest.mark.parametrize("kind, subject, open_ways", [
    ("caller", "cluster:web/shop", {"join token"}),
    ("spiffe_id", "spiffe://example.org/ns/web/sa/other", {"JWT", "join token"}),
])
def test_ban_of_a_caller_is_for_that_caller(signet, kind, subject, open_ways):
    signet.signet("identity", "ban", kind, subject, "--reason", "x")
    try:
        for name, token in (("JWT", JWT), ("join token", signet.token(ID))):
            if name in open_ways:
                assert signet.ask(CSR, token=token)
                continue
            with pytest.raises(grpc.RpcError) as e:
                signet.ask(CSR, token=token)
            assert (e.value.code(), e.value.details()) == BANNED
    finally:
        signet.signet("identity", "unban", kind, subject)


# ---- everything in JSON ----

@pytest.mark.parametrize("command", [
    ["status"], ["version"], ["ca", "show"], ["token", "list"], ["cert", "list"], ["cert", "show", "0"], ["identity", "list"],
    ["config", "check"], ["config", "show"], ["token", "create", "--spiffe-id", ID],
    ["policy", "test", "--attr", "k8s.namespace=a", "--attr", "k8s.service_account=b"],
], ids=" ".join)
def test_output_is_json_when_asked(signet, command):
    r = signet.signet(*command, "-o", "json")
    assert isinstance(json.loads(r.stdout), (dict, list)) and r.stderr == ""


@pytest.mark.parametrize("command, status", [
    (["token", "create", "--spiffe-id", "spiffe://evil.example/x"], 1), (["token", "create", "--spiffe-id", "nonsense"], 2),
    (["token", "create"], 2), (["token", "revoke", "0" * 32], 4), (["cert", "show", "123456"], 4), (["cert", "show", "00" * 16], 4),
    (["cert", "list", "--limit", "0"], 2), (["cert", "list", "--limit", "1001"], 2), (["cert", "list", "--no-such"], 2),
    (["identity", "ban", "spiffe_id", ID], 2), (["identity", "unban", "spiffe_id", ID + "x"], 4), (["nonsense"], 2),
], ids=lambda v: " ".join(v)[:50] if isinstance(v, list) else str(v))
def test_exit_status_tells_refused_from_not_found_from_misused(signet, command, status):
    r = signet.signet(*command, check=False)
    assert r.returncode == status and r.stdout == "" and r.stderr.startswith("signet: "), r
    r = signet.signet(*command, "-o", "json", check=False)
    assert r.returncode == status
    if status != 2:  # of a command line that is not understood nobody knows what was asked
        assert json.loads(r.stderr)["exit"] == status


# ---- without a daemon ----

RULES = """trust_domain: example.org
jwt_issuers: [{ name: ci, issuer: https://ci.example, jwks_file: /nowhere.jwks, audiences: [signet] }]
policy:
  - { name: no-mallory, match: { claim.sub: mallory }, deny: true }
  - { name: builders, match: { issuer: ci, claim.group: [build, test] }, spiffe_id: "spiffe://{trust_domain}/ci/{claim.sub}", max_lifetime: 1h,
      key_types: [p256], impersonate: ["spiffe://example.org/pod/*"] }
"""


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "rules.yaml"


@pytest.mark.parametrize("attrs, status, words", [
    (["issuer=ci", "claim.group=build", "claim.sub=job"], 0, ["granted by rule builders", "spiffe://example.org/ci/job", "1h"]),
    (["issuer=ci", "claim.group=x", "claim.sub=job"], 1, ["rule builders (line 5): 1 of 2 hold", 'claim.group is "x", wanted build or test']),
    (["issuer=ci", "claim.group=build", "claim.sub=mallory"], 1, ["rule no-mallory (line 4): matches and denies"]),
    (["issuer=ci", "claim.group=build", "claim.sub=a/b"], 1, ["cannot fill"]),
    (["issuer=ci", "claim.group=build", "claim.sub=job", "--key-type", "rsa"], 1, ["denied"]),
    (["issuer=ci", "claim.group=build", "claim.sub=job", "--impersonate", "spiffe://example.org/pod/a"], 0, ["spiffe://example.org/pod/a"]),
    (["issuer=ci", "claim.group=build", "claim.sub=job", "--impersonate", "spiffe://example.org/x"], 1, ["impersonate"]),
])
def test_policy_test_says_which_rule_and_why_not_the_others(rules, attrs, status, words):
    args = [a for attr in attrs for a in (["--attr", attr] if "=" in attr else [attr])]
    r = run("policy", "test", "--config", rules, *args)
    assert r.returncode == status, r
    for word in words:
        assert word in r.stdout
    told = json.loads(run("policy", "test", "--config", rules, *args, "-o", "json").stdout)
    assert told["granted"] is (status == 0)


def test_policy_test_says_what_the_daemon_does(signet):
    told = json.loads(signet.signet("policy", "test", "--attr", "k8s.namespace=web", "--attr", "k8s.service_account=shop", "--attr",
                                    "issuer=cluster", "-o", "json").stdout)["grant"]
    leaf = certs_of(signet.ask(CSR, token=JWT)[0])[0]
    assert san_uris(leaf) == [told["spiffe_id"]] and signet.record_of(leaf)["rule"] == told["rule"]


@pytest.mark.parametrize("text, words", [
    ("trust_domian: example.org\n", [":1:", "trust_domian", "trust_domain"]),
    ("trust_domain: example.org\nca: { key_type: rsa1024 }\n", [":2:", "ca.key_type"]),
    ("trust_domain: example.org\npolicy: [{ name: a, spiffe_id: 'spiffe://evil.example/x' }]\n", ["rule a"]),
    ("", ["trust_domain"]),
])
def test_config_check_says_what_is_wrong_and_where(tmp_path, text, words):
    (tmp_path / "bad.yaml").write_text(text)
    r = run("config", "check", "--config", tmp_path / "bad.yaml")
    assert r.returncode == 1 or r.returncode == 2
    for word in words:
        assert word in r.stderr, r.stderr


def test_config_show_is_a_configuration_of_the_same_meaning(signet, tmp_path):
    shown = signet.signet("config", "show").stdout
    (tmp_path / "again.yaml").write_text(shown)
    again = run("config", "show", "--config", tmp_path / "again.yaml").stdout

    def values(text):
        return [line.split(" # default")[0] for line in text.splitlines()]
    assert values(again) == values(shown) and "  default_lifetime: 24h # default" in shown.splitlines()


def test_init_writes_a_configuration_that_is_good_and_never_overwrites_one(tmp_path):
    path = tmp_path / "signet.yaml"
    r = run("init", "--trust-domain", "prod.example.org", "--config", path, "--data-dir", tmp_path / "data", "--run-dir", "/tmp/run")
    assert r.returncode == 0, r.stderr
    assert run("config", "check", "--config", path).returncode == 0
    text = path.read_text()
    again = run("init", "--trust-domain", "other.example.org", "--config", path)
    assert again.returncode == 1 and path.read_text() == text
    for args in (["--trust-domain", "BAD DOMAIN"], ["--trust-domain", "example.org", "--run-dir", "/" + "x" * 80], []):
        r = run("init", *args, "--config", tmp_path / "x.yaml")
        assert r.returncode in (1, 2) and len(r.stderr.strip().split(": ")[-1]) > 10, "the reason is told"
        assert not (tmp_path / "x.yaml").exists()


def test_help_is_there_for_every_command():
    commands = [line.split("  ")[1].removeprefix("signet ") for line in run("help").stdout.splitlines() if line.startswith("  signet ")]
    assert len(commands) > 15
    for command in commands:
        for asked in (["help", *command.split()], [*command.split(), "--help"]):
            r = run(*asked)
            assert r.returncode == 0 and r.stdout.startswith("signet") and r.stderr == "", asked
