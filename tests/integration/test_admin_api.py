"""The JSON API on the unix socket: who may speak, what is understood, what is refused, and how lists are read page by page."""
import datetime
import grp
import hashlib
import http.client
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time

import grpc
import pytest
from cryptography.hazmat.primitives import hashes

from harness import Signet, certs_of, key_pem, make_csr, make_key, serial_hex
from test_brought import CA

ID = "spiffe://example.org/ns/web/sa/shop"
KEY = make_key()
CSR = make_csr(KEY, ID)


@pytest.fixture(scope="module")
def signet():
    with Signet("listen: { address: '127.0.0.1:@PORT@', fronts: 1 }\n") as s:
        yield s


def refused(signet, status, method, path, body=None):
    got, answer = signet.admin(method, path, body)
    assert got == status, answer
    assert set(answer) == {"code", "error"} and answer["error"], answer
    return answer


# ---- what is not understood ----

@pytest.mark.parametrize("method, path", [
    ("GET", "/"), ("GET", "/v1"), ("GET", "/v1/"), ("GET", "/v2/status"), ("GET", "/v1/status/"), ("GET", "/v1/tokens/"),
    ("GET", "/V1/STATUS"), ("GET", "/v1/certs/1/2"), ("GET", "/v1/../v1/status"), ("GET", "/metrics"), ("GET", "/healthz/live"),
    ("DELETE", "/v1/tokens/a/b"), ("GET", "/v1/%73tatus/x"),
])
def test_path_that_is_not_there(signet, method, path):
    assert refused(signet, 404, method, path)["code"] == "NOT_FOUND"


@pytest.mark.parametrize("method, path", [
    ("POST", "/v1/status"), ("PUT", "/v1/tokens"), ("DELETE", "/v1/tokens"), ("GET", "/v1/tokens/abc"), ("POST", "/v1/roots"),
    ("DELETE", "/v1/roots"), ("POST", "/v1/certs"), ("DELETE", "/v1/certs/0"), ("PATCH", "/v1/bans"), ("get", "/v1/status"),
])
def test_method_that_is_not_allowed(signet, method, path):
    refused(signet, 405, method, path)


GOOD_BODY = {"spiffe_id": ID}


@pytest.mark.parametrize("body", [
    pytest.param(None, id="none"),
    pytest.param(b"hello", id="not_json"),
    pytest.param(b"[]", id="a_list"),
    pytest.param(b"null", id="null"),
    pytest.param(b"{}", id="nothing_said"),
    pytest.param(b'{"spiffe_id":"' + ID.encode() + b'"', id="cut"),
    pytest.param(json.dumps(GOOD_BODY).encode() + b"x", id="a_tail"),
    pytest.param(b'{"spiffe_id":"' + ID.encode() + b'","spiffe_id":"' + ID.encode() + b'x"}', id="a_member_twice"),
    pytest.param(b'{"spiffe_id":"\xff"}', id="not_utf8"),
    pytest.param(b'{"spiffe_id":"spiffe://example.org/a\\u0000b"}', id="nul"),
    pytest.param(b"[" * 10000, id="nested_deep"),
    pytest.param({**GOOD_BODY, "admin": True}, id="an_unknown_member"),
    pytest.param({"spiffe_id": 7}, id="a_number"),
    pytest.param({"spiffe_id": ""}, id="empty"),
    pytest.param({"spiffe_id": None}, id="null_member"),
    pytest.param({"spiffe_id": "hello"}, id="no_spiffe_id"),
    pytest.param({"spiffe_id": "spiffe://example.org"}, id="the_trust_domain_itself"),
    pytest.param({"spiffe_id": "spiffe://example.org/a/../b"}, id="dots"),
    pytest.param({"spiffe_id": "spiffe://example.org/" + "a" * 2048}, id="too_long"),
    pytest.param({**GOOD_BODY, "lifetime": 0}, id="lifetime_0"),
    pytest.param({**GOOD_BODY, "lifetime": -1}, id="lifetime_negative"),
    pytest.param({**GOOD_BODY, "lifetime": 1.5}, id="lifetime_not_whole"),
    pytest.param({**GOOD_BODY, "lifetime": "1h"}, id="lifetime_a_text"),
    pytest.param({**GOOD_BODY, "lifetime": 8 * 86400}, id="lifetime_over_the_maximum"),
    pytest.param({**GOOD_BODY, "lifetime": 1 << 62}, id="lifetime_huge"),
])
def test_token_is_not_made_of(signet, body):
    before = signet.tokens()
    assert refused(signet, 400, "POST", "/v1/tokens", body)["code"] == "INVALID_ARGUMENT"
    assert signet.tokens() == before


def test_token_is_not_made_for_a_foreign_trust_domain(signet):
    status, answer = signet.admin("POST", "/v1/tokens", {"spiffe_id": "spiffe://evil.example/a"})
    assert status == 400 and "ca.allow_spiffe_ids" in answer["error"]


@pytest.mark.parametrize("query", [
    "limit=0", "limit=1001", "limit=-1", "limit=1e3", "limit=99999999999999999999", "limit=", "limit=10;", "after=x", "after=-1",
    "serial=", "serial=zz", "serial=abc", "serial=" + "00" * 21, "expires_from=soon", "issued_from=99999999999999999",
])
def test_query_of_certificates_that_is_refused(signet, query):
    assert refused(signet, 400, "GET", "/v1/certs?" + query)["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("path", ["/v1/tokens?limit=0", "/v1/tokens?limit=1001", "/v1/tokens?cursor=x", "/v1/tokens?cursor=0",
                                  "/v1/tokens?cursor=" + "00" * 300, "/v1/bans?limit=1001", "/v1/bans?cursor=zz"])
def test_query_of_lists_that_is_refused(signet, path):
    assert refused(signet, 400, "GET", path)["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/v1/bans", None), ("POST", "/v1/bans", {"kind": "spiffe_id"}), ("POST", "/v1/bans", {"kind": "root", "subject": ID}),
    ("POST", "/v1/bans", {"kind": "spiffe_id", "subject": ""}), ("POST", "/v1/bans", {"kind": "spiffe_id", "subject": ID, "until": 5}),
    ("POST", "/v1/bans", {"kind": "spiffe_id", "subject": "a" * 60000}),
    ("POST", "/v1/bans", {"kind": "spiffe_id", "subject": ID, "reason": "r" * 257}),
    ("DELETE", "/v1/bans", None), ("DELETE", "/v1/bans?kind=spiffe_id", None), ("DELETE", "/v1/bans?kind=x&subject=y", None),
    ("DELETE", "/v1/bans?kind=spiffe_id&subject=", None),
])
def test_ban_that_is_refused(signet, method, path, body):
    refused(signet, 400, method, path, body)
    assert signet.pages("/v1/bans?limit=10") == []


@pytest.mark.parametrize("path", ["/v1/certs/x", "/v1/certs/-1", "/v1/certs/1x", "/v1/certs/99999999999999999999"])
def test_certificate_number_that_is_none(signet, path):
    refused(signet, 400, "GET", path)


def test_what_is_not_there_is_not_found(signet):
    refused(signet, 404, "GET", "/v1/certs/123456789")
    refused(signet, 404, "DELETE", "/v1/tokens/nobody")
    refused(signet, 404, "DELETE", "/v1/bans?kind=spiffe_id&subject=" + ID)


def test_body_over_64_kib_is_not_taken(signet):
    try:
        status, _ = signet.admin("POST", "/v1/tokens", b'{"spiffe_id":"' + b"a" * (100 * 1024) + b'"}')
        assert status in (400, 413)
    except (ConnectionError, OSError, http.client.HTTPException):
        pass  # closed: the connection is of no use to who sends such a thing
    assert signet.api("GET", "/v1/status")["trust_domain"] == "example.org"


@pytest.mark.parametrize("text", [b"\0" * 100 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET /v1/status HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
                                  b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"],
                         ids=["zeros", "a_cut_request", "many_headers", "a_huge_length"])
def test_bytes_that_are_no_request_harm_nobody(signet, text):
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(1)
        c.connect(str(signet.dir / "run/admin.sock"))
        try:
            c.sendall(text)
            c.shutdown(socket.SHUT_WR)
            got = c.recv(200)
            assert not got or got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 5")
        except (ConnectionError, socket.timeout):
            pass  # it may wait for the rest of a request, half a minute
    assert signet.api("GET", "/v1/status")["store_ok"] is True


# ---- who may speak ----

ASK = """
import socket, sys, time
c = socket.socket(socket.AF_UNIX)
try:
    c.connect(sys.argv[1])
    time.sleep(0.1)  # a slow one: the refusal is there first
    c.sendall(b"GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    data = b""
    while True:
        more = c.recv(65536)
        if not more: break
        data += more
    print(data.decode())
except PermissionError:
    print("EACCES")
except ConnectionError:
    print(data.decode() or "closed")
"""


def ask_as(path, *how):
    return subprocess.run(["setpriv", *how, sys.executable, "-c", ASK, str(path)], capture_output=True, text=True, timeout=20).stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_only_root_the_daemons_user_and_who_is_named_may_speak():
    games, daemon, mail = (pwd.getpwnam(n).pw_uid for n in ("games", "daemon", "mail"))
    with Signet("admin: { users: [games], group: operator }\n") as s:
        path = s.dir / "run/admin.sock"
        group = grp.getgrnam("operator").gr_gid
        nobody = pwd.getpwnam("nobody").pw_uid
        assert os.stat(path).st_mode & 0o777 == 0o660 and os.stat(path).st_gid == group
        allowed = {"root": ask_as(path), "group": ask_as(path, f"--reuid={mail}", f"--regid={mail}", f"--groups={group}"),
                   "primary": ask_as(path, f"--reuid={mail}", f"--regid={group}", "--clear-groups"),
                   "own": ask_as(path, f"--reuid={nobody}", f"--regid={nobody}", f"--groups={group}")}
        assert {k: v[:12] for k, v in allowed.items()} == dict.fromkeys(allowed, "HTTP/1.1 200")
        assert ask_as(path, f"--reuid={mail}", f"--regid={mail}", "--clear-groups").strip() == "EACCES", "the file's mode"
        path.chmod(0o666)  # though the mode were wrong, the kernel still tells who is calling
        assert ask_as(path, f"--reuid={games}", f"--regid={games}", "--clear-groups").startswith("HTTP/1.1 200")
        for uid in (mail, daemon):
            answer = ask_as(path, f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
            head, _, body = answer.partition("\n\n")
            assert head.startswith("HTTP/1.1 403"), answer
            assert json.loads(body)["code"] == "PERMISSION_DENIED"
            assert int(re.search(r"Content-Length: (\d+)", head)[1]) == len(body.strip()) + 2


def test_one_address_cannot_keep_the_others_from_health(signet):
    idle = [socket.create_connection(("127.0.0.1", signet.metrics_port), source_address=("127.0.0.2", 0)) for _ in range(70)]
    try:
        time.sleep(0.2)
        assert signet.http("/healthz/live")[0] == 200
    finally:
        for c in idle:
            c.close()


def test_the_network_reaches_metrics_and_health_only(signet):
    for path, status in (("/metrics", 200), ("/healthz/live", 200), ("/healthz/ready", 200), ("/v1/status", 404), ("/v1/tokens", 404),
                         ("/", 404), ("/metrics/", 404)):
        assert signet.http(path)[0] == status


# ---- what it tells ----

def test_status_tells_who_runs_and_how_full_the_store_is(signet):
    status = signet.api("GET", "/v1/status")
    assert (status["trust_domain"], status["key_type"], status["store_ok"], status["fronts"], status["root_seq"]) == \
        ("example.org", "P-256", True, 1, 1)
    assert status["store"]["bytes"] > 0 and status["store"]["map_bytes"] > 0
    lines = status["processes"].splitlines()
    assert sorted(line.split()[0] for line in lines) == ["admin", "front", "keeper"]
    assert all(" state ready restarts 0 since 20" in line for line in lines)
    assert {int(line.split()[3]) for line in lines} == {p for r in ("admin", "front", "keeper") for p in signet.pids(r)}


def test_token_tells_its_secret_once_and_lists_never_do(signet):
    made = signet.new_token(ID, lifetime=60)
    assert re.fullmatch(r"sgt1_[A-Za-z0-9_-]{43}", made["token"])
    told = json.dumps(signet.api("GET", "/v1/tokens?limit=1000"))
    assert made["id"] in told and made["token"] not in told and made["token"][5:] not in told
    mine = signet.tokens()[made["id"]]
    assert mine["spiffe_id"] == ID and mine["created_by"] == f"uid:{os.getuid()}" and mine["expires"] == made["expires"]
    for file in (signet.dir / "data").iterdir():
        assert made["token"].encode() not in file.read_bytes(), "only its hash is stored"


def test_lists_page_by_page_are_whole_and_without_repetition(signet):
    made = {signet.new_token(f"spiffe://example.org/page/{i}")["id"] for i in range(25)}
    for size in (1, 7, 100):
        ids = [t["id"] for t in signet.pages(f"/v1/tokens?limit={size}")]
        assert len(ids) == len(set(ids)) and made <= set(ids)
    names = [f"spiffe://example.org/page/{i}" for i in range(12)]
    for n in names:
        signet.ban("spiffe_id", n)
    for size in (1, 5, 100):
        assert sorted(b["subject"] for b in signet.pages(f"/v1/bans?limit={size}")) == sorted(names)
    for n in names:
        signet.unban("spiffe_id", n)
    assert signet.pages("/v1/bans?limit=5") == []


def test_certificates_by_filter_and_page(signet):
    ids = [f"spiffe://example.org/filter/{i % 3}" for i in range(12)]
    leaves = [certs_of(signet.ask(CSR, token=signet.token(i), validity=600 * (n + 1))[0])[0] for n, i in enumerate(ids)]
    serials = [serial_hex(c) for c in leaves]
    for order in ("false", "true"):
        for size in (1, 5, 1000):
            got = [r["serial"] for r in signet.pages(f"/v1/certs?limit={size}&newest_first={order}")]
            ours = [s for s in got if s in serials]
            assert ours == (serials if order == "false" else serials[::-1]) and len(set(got)) == len(got)
    one = signet.records(spiffe_id=ids[0])
    assert [r["serial"] for r in one] == serials[0::3] and {r["spiffe_id"] for r in one} == {ids[0]}
    assert [r["serial"] for r in signet.records(spiffe_id=ids[0], limit=1)] == serials[0::3]
    assert [r["spiffe_id"] for r in signet.records(serial=serials[4])] == [ids[4]]
    assert signet.records(serial="01" * 20) == [] and signet.records(spiffe_id="spiffe://example.org/filter") == []
    ends = sorted(int(c.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()) for c in leaves)
    found = signet.records(expires_from=ends[3], expires_to=ends[6])
    assert {r["serial"] for r in found} in ({*serials[3:6]}, {*serials[3:7]}), "one of both ends belongs to the interval"
    index = one[0]["index"]
    assert signet.api("GET", f"/v1/certs/{index}") == one[0]


def test_record_says_what_was_issued_to_whom_and_why(signet):
    made = signet.new_token(ID)
    leaf = certs_of(signet.ask(CSR, token=made["token"])[0])[0]
    r = signet.record_of(leaf)
    assert (r["spiffe_id"], r["caller"], r["rule"], r["issuer"], r["evidence"], r["root_seq"]) == \
        (ID, "join_token:" + made["id"], "join-token", "default", "join_token", 1)
    assert certs_of(r["pem"])[0] == leaf
    assert r["not_before"] == leaf.not_valid_before.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert r["not_after"] == leaf.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert r["evidence_hash"] == hashlib.sha256(made["token"].encode()).hexdigest()


# ---- issuers ----

ISSUERS = """
clusters: [{ id: Kubernetes, kubeconfig: '@DIR@/kubeconfig' }]
issuers:
- { name: mesh, cluster: Kubernetes, signer_name: clusterissuers.cert-manager.io/mesh, roots_file: '@DIR@/mesh.pem', deadline: 20s }
- { name: teams, cluster: Kubernetes, signer_name: issuers.cert-manager.io/a.teams, trust_on_first_use: true, approve: external }
default_issuer: mesh
"""


def command(s, *args, status=0):
    r = subprocess.run([s.bin / "signet", *args, "--socket", s.dir / "run/admin.sock"], capture_output=True, text=True, timeout=60)
    assert r.returncode == status, r.stderr
    return r.stdout if status == 0 else r.stderr


def issuer(s, name):
    return next(i for i in s.api("GET", "/v1/issuers")["items"] if i["name"] == name)


@pytest.fixture(scope="module")
def with_issuers():
    s = Signet(ISSUERS)
    root = CA("Mesh Root")
    (s.dir / "mesh.pem").write_text(root.pem)
    (s.dir / "kubeconfig").write_text("")  # nobody is there
    with s:
        s.mesh_root = root
        yield s


def test_issuers_are_told_with_what_the_configuration_says(with_issuers):
    default, mesh, teams = with_issuers.api("GET", "/v1/issuers")["items"]
    assert (default["name"], default["kind"], default["default"], default["roots_from"]) == ("default", "ca", False, "own")
    assert {k: v for k, v in mesh.items() if k != "roots"} == {
        "name": "mesh", "kind": "kubernetes_csr", "default": True, "roots_from": "file", "pending": 0, "issued": 0, "refused": 0,
        "refused_by_reason": {}, "cluster": "Kubernetes", "signer": "clusterissuers.cert-manager.io/mesh", "approve": "self", "deadline": 20,
        "roots_file": str(with_issuers.dir / "mesh.pem")}
    assert [r["pem"] for r in mesh["roots"]] == [with_issuers.mesh_root.pem]
    assert mesh["roots"][0]["sha256"] == with_issuers.mesh_root.cert.fingerprint(hashes.SHA256()).hex()
    assert (teams["signer"], teams["approve"], teams["roots_from"], teams["roots"]) == \
        ("issuers.cert-manager.io/a.teams", "external", "none", []) and "signer_domain" not in teams


def test_what_became_of_requests_is_counted_by_issuer(with_issuers):
    s = with_issuers
    with pytest.raises(grpc.RpcError):
        s.ask(CSR, token=s.token(ID))  # no API server is there
    mesh = issuer(s, "mesh")
    reason = mesh["last_refused"]["reason"]
    assert mesh["refused"] == 1 and mesh["refused_by_reason"] == {reason: 1} and reason.startswith("issuer_")
    assert s.metric('signet_keeper_refused_total{issuer="mesh",reason="%s"}' % reason) == 1
    assert s.metric('signet_keeper_refused_total{issuer="default",reason="%s"}' % reason) == 0
    assert reason in command(s, "issuer", "show", "mesh")


def test_the_command_shows_issuers(with_issuers):
    s = with_issuers
    table = [line.split() for line in command(s, "issuer", "list").splitlines()]
    assert table[0] == ["NAME", "KIND", "DEFAULT", "SIGNER", "ROOTS", "PENDING", "ISSUED", "REFUSED"]
    assert [row[:5] for row in table[1:]] == [["default", "ca", "-", "-", "own"],
                                              ["mesh", "kubernetes_csr", "yes", "clusterissuers.cert-manager.io/mesh", "file"],
                                              ["teams", "kubernetes_csr", "-", "issuers.cert-manager.io/a.teams", "none"]]
    assert command(s, "issuer", "show", "mesh", "--pem") == s.mesh_root.pem
    assert json.loads(command(s, "issuer", "show", "mesh", "-o", "json")) == issuer(s, "mesh")
    assert "issuers.cert-manager.io" in command(s, "issuer", "show", "teams")
    assert "no root" in command(s, "issuer", "show", "teams", "--pem", status=4)
    for name in ("nobody", "a/b", "", "../x"):
        command(s, "issuer", "show", name, status=4)
        command(s, "issuer", "forget", name, status=4)
    assert "pinned" in command(s, "issuer", "forget", "teams", status=1)
    refused(s, 404, "DELETE", "/v1/issuer-roots/nobody")
    refused(s, 405, "GET", "/v1/issuer-roots/mesh")
    refused(s, 405, "DELETE", "/v1/issuers")


# ---- bans ----

def test_ban_by_each_kind_stops_the_next_certificate_and_only_that(signet):
    key = make_key()
    chain = signet.ask(make_csr(key, ID), token=signet.token(ID))
    record = signet.record_of(certs_of(chain[0])[0])
    other = "spiffe://example.org/ns/web/sa/other"
    with signet.channel(key_pem(key), "".join(chain).encode()) as mtls:
        for kind, subject in (("spiffe_id", ID), ("key", record["key_hash"]), ("caller", ID)):
            signet.ban(kind, subject, "stolen")
            with pytest.raises(grpc.RpcError) as e:
                signet.ask(make_csr(key, ID), channel=mtls)
            assert (e.value.code(), e.value.details()) == (grpc.StatusCode.PERMISSION_DENIED, "CSR signing error (keeper: banned)")
            assert signet.ask(CSR, token=signet.token(other)), "nobody else is"
            assert signet.metric("signet_bans") == 1
            listed = signet.pages("/v1/bans?limit=10")
            assert [(b["kind"], b["subject"], b["reason"], b["by"]) for b in listed] == [(kind, subject, "stolen", f"uid:{os.getuid()}")]
            signet.unban(kind, subject)
            assert signet.ask(make_csr(key, ID), channel=mtls)
    assert signet.admin("POST", "/v1/bans", {"kind": "key", "subject": "zz"})[0] == 400


def test_ban_outlives_a_restart():
    with Signet() as s:
        s.ban("spiffe_id", ID)
        assert s.stop() == 0
        s.start()
        with pytest.raises(grpc.RpcError) as e:
            s.ask(CSR, token=s.token(ID))
        assert e.value.code() == grpc.StatusCode.PERMISSION_DENIED
