"""Whatever dies or hangs in the middle: who asked is answered or told in time, what was signed is recorded, nothing is left over."""
import os
import signal
import time

import grpc
import pytest

from harness import Signet, wait_for
from pki import Authority
from ra import ID, LONG_S, Ra, config, filed, issuer, mesh, nothing_is_left, ours
from signer import Approver, Signer

EXTERNAL = "example.org/held"
SOON_S = 2  # the deadline of the issuer `soon`
AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED")


@pytest.fixture(scope="module")
def held(kube):
    """Signs what somebody approves of EXTERNAL."""
    with Signer(kube, EXTERNAL) as s:
        yield s


def issuers(kube, held):
    root = held.root.certificate
    return [mesh(kube), issuer(kube, "held", EXTERNAL, root, approve="external"),
            issuer(kube, "soon", EXTERNAL, root, deadline=f"{SOON_S}s", approve="external")]


@pytest.fixture(scope="module")
def ra(kube, held):
    with Ra(config(kube, *issuers(kube, held))) as s:
        yield s
        nothing_is_left(kube, s)


def works(kube, ra, token):
    """It recovers by itself."""
    def asked():
        error = ra.start_ask(token).future.exception()
        assert error is None or error.code().name in AWAY, error
        return error is None
    wait_for(asked, LONG_S)
    nothing_is_left(kube, ra)


# ---- the API server ----

def test_api_server_dies_in_the_middle(kube, ra, token, held):
    before = [ra.start_ask(token, "held") for _ in range(5)]
    filed(kube, EXTERNAL, 5)
    kube.apiserver.kill()
    meanwhile = [ra.start_ask(token, "held") for _ in range(3)]
    wait_for(lambda: ra.events("kube_watch_lost"), LONG_S)
    kube.apiserver.start()
    filed(kube, EXTERNAL, 8)
    with Approver(kube, EXTERNAL):
        for request in before + meanwhile:
            request.certificate(held.root.certificate)
    wait_for(lambda: ra.events("kube_watch_back"), LONG_S)
    works(kube, ra, token)


def test_request_while_there_is_no_api_server(kube, ra, token):
    kube.apiserver.kill()
    began = time.monotonic()
    code = ra.start_ask(token, "soon").refusal()[0]
    assert code in AWAY and time.monotonic() - began < SOON_S + LONG_S / 2
    kube.apiserver.start()
    works(kube, ra, token)


def test_api_server_hangs(kube, ra, token, held):
    """It takes connections, or has them, and says nothing."""
    before = ra.start_ask(token, "held")
    soon = ra.start_ask(token, "soon")
    filed(kube, EXTERNAL, 2)
    kube.apiserver.pause()
    try:
        began = time.monotonic()
        codes = [soon.refusal()[0], *(ra.start_ask(token, "soon").refusal()[0] for _ in range(2))]
        assert set(codes) <= set(AWAY) and time.monotonic() - began < 3 * SOON_S + LONG_S / 2
        assert not before.future.done()
    finally:
        kube.apiserver.resume()
    with Approver(kube, EXTERNAL):
        before.certificate(held.root.certificate)
    works(kube, ra, token)


# ---- the courier ----

def test_courier_dies_while_requests_are_pending(kube, ra, token, held):
    requests = [ra.start_ask(token, "held") for _ in range(20)]
    filed(kube, EXTERNAL, 20)
    ra.kill_courier()
    with Approver(kube, EXTERNAL):
        for request in requests:
            request.certificate(held.root.certificate)
    nothing_is_left(kube, ra)


def test_courier_dies_again_and_again_under_load(kube, ra, token):
    """Nobody is told of it."""
    before = len(ra.records(spiffe_id=ID))
    requests = [ra.start_ask(token) for _ in range(120)]
    for count in (1, 30, 60):
        wait_for(lambda n=count: sum(r.future.done() for r in requests) >= n, LONG_S)
        ra.kill_courier()
    leaves = [r.chain()[0] for r in requests]
    assert len({leaf.serial_number for leaf in leaves}) == len(requests)
    nothing_is_left(kube, ra)
    assert len(ra.records(spiffe_id=ID)) == before + len(requests), "one each"


def test_no_courier_for_a_while(kube, ra, token, held):
    """Who asks meanwhile waits for the next one."""
    pid = ra.courier()
    stopped = [ra.start_ask(token, "held")]
    filed(kube, EXTERNAL)
    os.kill(pid, signal.SIGSTOP)
    stopped += [ra.start_ask(token, "held") for _ in range(3)]
    os.kill(pid, signal.SIGKILL)
    filed(kube, EXTERNAL, 4)
    with Approver(kube, EXTERNAL):
        for request in stopped:
            request.certificate(held.root.certificate)
    nothing_is_left(kube, ra)


# ---- the daemon ----

# Where the keeper dies, at which of its commits from then on (1: the intent, 2: the record), and whether the certificate is then recorded.
POINTS = [("before-commit", 1, False), ("after-commit", 1, False), ("before-commit", 2, True), ("after-commit", 2, True)]


@pytest.mark.parametrize("point, number, recorded", POINTS)
def test_keeper_dies_at(kube, token, points, held, point, number, recorded):  # pylint: disable=too-many-arguments
    with Ra(config(kube, *issuers(kube, held)), serving=Authority("serving"), build=points) as s:
        wait_for(lambda: s.admin("GET", "/v1/crl")[0] == 200)
        s.stop()
        s.env["SIGNET_TEST_KILL"] = f"{point}:{number}"
        s.start()
        assert s.start_ask(token).refusal()[0] in AWAY
        assert s.process.wait(LONG_S) == 3, "the keeper's death is the daemon's"
        del s.env["SIGNET_TEST_KILL"]
        s.stop()
        s.start()
        nothing_is_left(kube, s)
        records = s.records(spiffe_id=ID)
        assert len(records) == recorded
        if recorded:
            assert (records[0]["issuer"], records[0]["caller"]) == ("mesh", "accounts:web/shop")
        works(kube, s, token)
        assert len(s.records(spiffe_id=ID)) == recorded + 1


@pytest.mark.parametrize("signed_meanwhile", [True, False])
def test_everything_is_killed_with_requests_pending(kube, token, held, signed_meanwhile):
    """Nobody waits for them any more; but what is signed of them is recorded."""
    with Ra(config(kube, *issuers(kube, held))) as s:
        requests = [s.start_ask(token, "held") for _ in range(10)]
        filed(kube, EXTERNAL, 10)
        s.kill_all()
        assert all(r.refusal()[0] == "UNAVAILABLE" for r in requests)
        if not signed_meanwhile:
            s.start()
            assert len(ours(kube)) == 10, "resumed, not swept"
        with Approver(kube, EXTERNAL):
            wait_for(lambda: not ours(kube) or all(c["status"].get("certificate") for c in kube.csrs(EXTERNAL)), LONG_S)
            if signed_meanwhile:
                s.start()
            nothing_is_left(kube, s)
        assert [r["issuer"] for r in s.records(spiffe_id=ID)] == ["held"] * 10
        works(kube, s, token)


def test_stop_with_requests_pending(kube, token, held):
    with Ra(config(kube, *issuers(kube, held))) as s:
        request = s.start_ask(token, "held")
        filed(kube, EXTERNAL)
        assert Signet.stop(s) == 0
        assert request.refusal()[0] == "UNAVAILABLE"
        s.start()
        with Approver(kube, EXTERNAL):
            nothing_is_left(kube, s)
        assert len(s.records(spiffe_id=ID)) == 1


# ---- many ----

def test_a_thousand_at_once(kube, ra, token):
    options = (("grpc.use_local_subchannel_pool", 1),)
    credentials = grpc.ssl_channel_credentials(ra.roots().encode())
    channels = [grpc.secure_channel(f"localhost:{ra.port}", credentials, options) for _ in range(4)]
    before = len(ra.records(spiffe_id=ID))
    requests = [ra.start_ask(token, channel=channels[i % 4], timeout=240) for i in range(1000)]
    assert len({r.chain()[0].serial_number for r in requests}) == 1000
    nothing_is_left(kube, ra)
    assert len(ra.records(spiffe_id=ID)) == before + 1000
    for channel in channels:
        channel.close()
