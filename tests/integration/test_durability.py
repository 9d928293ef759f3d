"""Sudden death and full disks: no certificate leaves before its record, no serial comes twice, no token is spent for nothing."""
import hashlib
import os
import signal
import subprocess
import time

import grpc
import pytest

from harness import (PATH, Signet, certs_of, decode_response, encode_request, make_csr, make_key, san_uris, serial_hex,
                     wait_for)
from tokens import Issuer

CLUSTER = Issuer("https://issuer.example/cluster")
ROTATOR = CLUSTER.token({"sub": "system:serviceaccount:web:load", "aud": "istio-ca"})
CONFIG = """
jwt_issuers:
  - { name: cluster, issuer: https://issuer.example/cluster, jwks_file: @DIR@/cluster.jwks, audiences: [istio-ca], kind: kubernetes }
"""
TOKENS = 60
CSR = make_csr(make_key())
Code = grpc.StatusCode
NO_ROOM = {f"CSR signing error (keeper: {text})" for text in ("the record could not be made durable", "the record store is full")}


def daemon(**more):
    s = Signet(CONFIG, **more)
    CLUSTER.write(s.dir)
    return s


class Client:
    """Somebody with a token and a key, who asks until it has its certificate."""

    def __init__(self, signet, number):
        self.id = f"spiffe://example.org/client/{number}"
        made = signet.new_token(self.id)
        self.token, self.token_id = made["token"], made["id"]
        self.csr = make_csr(make_key(), self.id)
        self.chain = None


def start(channel, csr, token):
    method = channel.unary_unary(PATH, request_serializer=lambda b: b, response_deserializer=decode_response)
    return method.future(encode_request(csr), metadata=[("authorization", "Bearer " + token)], timeout=20)


def load(signet, clients, seconds=30):
    """Ask for everybody at once, and for one who rotates for ever, until the daemon is dead; what the latter got."""
    held, end = [], time.monotonic() + seconds
    channels = [signet.channel() for _ in range(3)]
    waiting = [(c, start(channels[i % 3], c.csr, c.token)) for i, c in enumerate(clients)]
    try:
        while signet.process.poll() is None and time.monotonic() < end:
            held += [f.result() for f in [start(ch, CSR, ROTATOR) for ch in channels for _ in range(8)] if f.exception() is None]
        for client, future in waiting:
            if future.exception() is None:
                client.chain = future.result()
    finally:
        for c in channels:
            c.close()
    return held


def quiet(signet):
    """Wait until what dead fronts had handed over is done with."""
    before = -1
    while len(signet.records()) != before:
        before = len(signet.records())
        time.sleep(0.2)


def check_books(signet, clients, held):
    """What the store says against what clients hold."""
    records = signet.records()
    assert [r["index"] for r in records] == list(range(len(records)))
    by_serial = {r["serial"]: r for r in records}
    assert len(by_serial) == len(records), "no serial twice"
    for chain in held + [c.chain for c in clients if c.chain]:
        assert by_serial[serial_hex(certs_of(chain[0])[0])]["pem"] == chain[0], "a certificate left without its record"
    tokens, by_evidence = signet.tokens(), {}
    for r in records:
        if r["evidence"] == "join_token":
            by_evidence.setdefault(r["evidence_hash"], []).append(r)
    for c in clients:
        mine = by_evidence.get(hashlib.sha256(c.token.encode()).hexdigest(), [])
        state = tokens[c.token_id]
        assert len(mine) == (1 if state["state"] == "spent" else 0), "a token is spent with its record or not at all"
        assert not mine or state["record"] == mine[0]["index"]
        assert c.chain is None or state["state"] == "spent"
    return by_evidence


def check_retries(signet, clients, by_evidence):
    """Everybody asks again with the same key, and gets what was recorded."""
    with signet.channel() as channel:
        for c in clients:
            spent = by_evidence.get(hashlib.sha256(c.token.encode()).hexdigest())
            chain = start(channel, c.csr, c.token).result()
            assert c.chain is None or chain == c.chain
            assert not spent or chain[0] == spent[0]["pem"]
            assert san_uris(certs_of(chain[0])[0]) == [c.id]
            if spent:
                again = start(channel, make_csr(make_key(), c.id), c.token)
                assert again.exception().code() == Code.UNAUTHENTICATED
    records = signet.records()
    assert sum(r["evidence"] == "join_token" for r in records) == len(clients), "one certificate a token"


@pytest.mark.parametrize("point, number", [
    ("after-sign", 5), ("after-sign", 40), ("before-commit", 4), ("before-commit", 7), ("after-commit", 4), ("after-commit", 7),
    ("before-answer", 4), ("before-answer", 7),
])
def test_keeper_dies_under_load_at(points, point, number):
    with daemon(build=points) as s:
        clients = [Client(s, i) for i in range(TOKENS)]
        roots = s.roots()
        assert s.stop() == 0
        s.env["SIGNET_TEST_KILL"] = f"{point}:{number}"
        s.start()
        held = load(s, clients)
        assert s.process.wait(20) == 3, "the keeper's death is the daemon's"
        assert [e["signal"] for e in s.events("process ended") if e["child"] == "keeper"][-1] in (signal.SIGKILL, signal.SIGSYS)
        del s.env["SIGNET_TEST_KILL"]
        s.start()
        assert s.roots() == roots
        check_retries(s, clients, check_books(s, clients, held))
        check_books(s, clients, held)


def test_fronts_die_under_load_and_nobody_is_stranded():
    with daemon() as s:
        clients = [Client(s, i) for i in range(TOKENS)]
        channels = [s.channel() for _ in range(3)]
        waiting = [(c, start(channels[i % 3], c.csr, c.token)) for i, c in enumerate(clients)]
        for pid in s.pids("front"):
            os.kill(pid, signal.SIGKILL)
        for c, future in waiting:
            if future.exception() is None:
                c.chain = future.result()
        for c in channels:
            c.close()
        wait_for(s.ready)
        quiet(s)
        by_evidence = check_books(s, clients, [])
        check_retries(s, clients, by_evidence)
        assert s.process.poll() is None


def test_everything_is_killed_at_once_and_starts_again():
    with daemon() as s:
        clients = [Client(s, i) for i in range(20)]
        channel = s.channel()
        waiting = [(c, start(channel, c.csr, c.token)) for c in clients]
        time.sleep(0.01)
        everybody = [p for role in ("keeper", "front", "admin") for p in s.pids(role)]
        s.process.kill()
        s.process.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{p}/exe") for p in everybody))  # as a service manager waits
        for c, future in waiting:
            if future.exception() is None:
                c.chain = future.result()
        channel.close()
        s.start()
        check_retries(s, clients, check_books(s, clients, []))


def test_root_tokens_and_records_survive_restarts():
    with daemon() as s:
        first, made = s.roots(), s.new_token("spiffe://example.org/a")
        leaf = certs_of(s.ask(CSR, token=ROTATOR)[0])[0]
        record = s.record_of(leaf)
        for _ in range(3):
            assert s.stop() == 0
            s.start()
            assert s.roots() == first
            assert s.record_of(leaf) == record
        assert s.ask(CSR, token=made["token"])
        assert not s.events("root_created")[1:], "made once"
        kek = s.dir / "data/key-encryption-key"
        for path in (s.dir / "data").iterdir():
            content = path.read_bytes()
            assert path == kek or kek.read_bytes() not in content
            assert b"PRIVATE KEY" not in content


def test_look_up_indexes_that_are_lost_or_damaged_are_made_again():
    with daemon() as s:
        leaves = [certs_of(s.ask(CSR, token=ROTATOR)[0])[0] for _ in range(20)]
        records = s.records()
        for spoil in (lambda p: p.unlink(), lambda p: p.write_bytes(b"x" * 8192), lambda p: p.write_bytes(b"")):
            assert s.stop() == 0
            files = sorted((s.dir / "data").glob("index*.mdb"))
            assert files, sorted((s.dir / "data").iterdir())
            for path in files:
                spoil(path)
            s.start()
            wait_for(lambda: s.api("GET", "/v1/status")["store"]["index_behind"] == 0)
            assert s.records()[:len(records)] == records
            assert [s.record_of(leaf)["pem"] for leaf in leaves]
            assert len(s.records(spiffe_id="spiffe://example.org/ns/web/sa/load")) == 20


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "none", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_full_disk_refuses_and_recovers_when_there_is_room_again(small_disk):
    tmp = small_disk.parent
    for directory in (tmp, tmp.parent, tmp.parent.parent):
        directory.chmod(0o755)
    s = Signet(CONFIG + f"data_dir: {small_disk}/data\n")
    CLUSTER.write(s.dir)
    with s, s.channel() as channel:
        held, filler = [], small_disk / "filler"
        held.append(s.ask(CSR, token=ROTATOR, channel=channel))
        with open(filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        refusals = []
        for _ in range(3000):
            call = start(channel, CSR, ROTATOR)
            if call.exception() is None:
                held.append(call.result())
                continue
            refusals.append((call.exception().code(), call.exception().details()))
            if len(refusals) == 5:
                break
        assert {c for c, _ in refusals} == {Code.UNAVAILABLE} and {t for _, t in refusals} <= NO_ROOM, refusals
        assert s.api("GET", "/v1/status")["store_ok"] is False
        assert s.admin("POST", "/v1/tokens", {"spiffe_id": "spiffe://example.org/a"})[0] == 503
        assert s.metric("signet_store_commits_failed_total") >= 5
        assert len(s.events("store_commit_failed")) == 1, "once, so that the log does not fill too"
        assert s.process.poll() is None
        filler.unlink()
        held.append(s.ask(CSR, token=ROTATOR, channel=channel))
        assert s.api("GET", "/v1/status")["store_ok"] is True and s.events("store_recovered")
        assert {certs_of(c[0])[0].serial_number for c in held} <= {int(r["serial"], 16) for r in s.records()}
        assert s.stop() == 0
        s.start()
        assert {certs_of(c[0])[0].serial_number for c in held} <= {int(r["serial"], 16) for r in s.records()}
