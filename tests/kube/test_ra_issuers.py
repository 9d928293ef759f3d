"""Other signers at the real cluster: cert-manager, and some that deny, fail, are silent, or send back what nobody asked for."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import wait_for
from pki import Authority, pem
from ra import ID, LONG_S, Ra, config, filed, issuer, mesh, nothing_is_left, ours
from signer import BEHAVIOURS, Approver, Signer

BAD, EXTERNAL, SILENT, KEPT, FIRST = (f"example.org/{n}" for n in ("bad", "external", "silent", "kept", "first"))
LATE = "clusterissuers.cert-manager.io/later"
NEVER = "clusterissuers.cert-manager.io/never"


@pytest.fixture(scope="module")
def late():
    """Whose CA the ClusterIssuer `later` will have."""
    return Authority("late")


@pytest.fixture(scope="module")
def bad(kube):
    with Signer(kube, BAD) as s:
        yield s


@pytest.fixture(scope="module")
def first(kube):
    with Signer(kube, FIRST) as s:
        yield s


@pytest.fixture(scope="module")
def external(kube):
    with Signer(kube, EXTERNAL) as s:
        yield s


@pytest.fixture(scope="module")
def ra(kube, good, bad, first, external, late):  # pylint: disable=too-many-arguments
    root = good.root.certificate
    issuers = [
        mesh(kube), issuer(kube, "bad", BAD, bad.root.certificate), issuer(kube, "first", FIRST, None, trust_on_first_use=True),
        issuer(kube, "external", EXTERNAL, external.root.certificate, approve="external"),
        issuer(kube, "silent", SILENT, root, deadline="2s"), issuer(kube, "unapproved", SILENT, root, deadline="2s", approve="external"),
        issuer(kube, "kept", "example.org/good", root, after="keep"), issuer(kube, "late", LATE, late.certificate),
        issuer(kube, "never", NEVER, late.certificate, deadline="2s"),
        {**issuer(kube, "chosen", "", root), "signer_domain": "example.org"},
    ]
    with Ra(config(kube, *issuers)) as s:
        yield s
        nothing_is_left(kube, s)


def events(ra, event, **fields):
    return [e for e in ra.events(event) if all(e.get(k) == v for k, v in fields.items())]


# ---- what goes well ----

def test_cert_manager_signs_for_a_pod(kube, ra):
    kube.create_pod("web", "shop-mesh", "shop", "node-1")
    request = ra.start_ask(kube.token_for("web", "shop", ["istio-ca"], pod="shop-mesh"))
    leaf = request.certificate(kube.issuer_root.certificate)
    record = ra.record_of(leaf)
    assert (record["caller"], record["rule"], record["issuer"]) == ("accounts:web/shop", "accounts", "mesh")
    assert record["pem"] == request.future.result()[0]
    assert [c.subject.rfc4514_string() for c in request.chain()[1:]] == ["CN=issuer-intermediate"]
    assert pem(kube.issuer_root.certificate).strip() in ra.roots()
    kube.delete_pod("web", "shop-mesh")
    nothing_is_left(kube, ra)


def test_go_clients(kube, ra, tmp_path):
    """The code that pilot-agent runs, ztunnel's CSR, each type of key, renewal by certificate."""
    (tmp_path / "roots.pem").write_text(ra.roots())
    (tmp_path / "case.json").write_text(json.dumps({
        "address": f"localhost:{ra.port}", "trust_domain": "example.org", "roots_file": str(tmp_path / "roots.pem"),
        "dir": str(tmp_path), "jwt": {"shop": kube.token_for("web", "shop", ["istio-ca"])}}))
    program = pathlib.Path(os.environ["INTEROP_WORK"]) / "interop-go"  # tests/interop/run has built it
    said = subprocess.run([program, "ra", tmp_path / "case.json"], capture_output=True, text=True, timeout=300, check=False)
    lines = said.stdout.splitlines()
    assert len(lines) >= 9 and all(line.startswith("PASS ") for line in lines), said.stdout + said.stderr
    nothing_is_left(kube, ra)


def test_who_asked_and_why_is_in_the_object(kube, ra, token):
    ra.start_ask(token, "kept").chain()
    objects = kube.csrs("example.org/good")
    assert len(objects) == 1, "kept"
    meta, spec, status = (objects[0][k] for k in ("metadata", "spec", "status"))
    assert spec["username"] == "signet" and set(spec["usages"]) == {"digital signature", "server auth", "client auth"}
    assert spec["expirationSeconds"] == 86400
    wanted = {"signet.dev/spiffe-id": ID, "signet.dev/caller": "accounts:web/shop", "signet.dev/rule": "accounts"}
    assert {k: meta["annotations"][k] for k in wanted} == wanted
    assert meta["labels"]["signet.dev/after"] == "keep"
    assert [c["type"] for c in status["conditions"]] == ["Approved"] and status["certificate"]
    ra.kill_courier()
    ra.start_ask(token).chain()
    assert kube.csr(meta["name"])["metadata"]["uid"] == meta["uid"], "what is kept is not swept either"
    kube.delete_csr(meta["name"])


def test_signer_chosen_by_the_request(kube, ra, token, good):
    ra.start_ask(token, "good").certificate(good.root.certificate)
    for refused in ("example.org/good", "good/x", "other.example/good", "goo.", "goo..d", "gO", "default", "chosen", "other", "chosen/good"):
        assert ra.start_ask(token, refused).refusal() == ("PERMISSION_DENIED", "request denied by policy")
    assert not ours(kube)


# ---- approval ----

def test_somebody_else_approves(kube, ra, token, external):
    external.behaviour = "good"
    request = ra.start_ask(token, "external")
    assert not filed(kube, EXTERNAL)[0]["status"], "not ours to approve"
    with Approver(kube, EXTERNAL):
        request.certificate(external.root.certificate)
    nothing_is_left(kube, ra)


def test_somebody_else_denies(kube, ra, token):
    with Approver(kube, EXTERNAL, approve=False, reason="Policy", message="not on a Sunday"):
        assert ra.start_ask(token, "external").refusal()[0] == "PERMISSION_DENIED"
    assert events(ra, "kube_csr_failed", failure="denied", why="Policy: not on a Sunday", signer=EXTERNAL)
    nothing_is_left(kube, ra)


def test_somebody_denies_what_is_ours_to_approve(kube, ra, token):
    """Both at once: whoever is first, and a denial is never overruled."""
    with Approver(kube, SILENT, approve=False, reason="Policy", message="never"):
        code = ra.start_ask(token, "silent").refusal()[0]
    assert code in ("PERMISSION_DENIED", "DEADLINE_EXCEEDED")
    nothing_is_left(kube, ra)


def test_nobody_approves(kube, ra, token):
    assert ra.start_ask(token, "unapproved").refusal()[0] == "DEADLINE_EXCEEDED"
    assert events(ra, "kube_csr_failed", failure="deadline", signer=SILENT, why="nobody approved it until the deadline")
    nothing_is_left(kube, ra)


# ---- what goes wrong at the signer ----

def test_signer_fails(kube, ra, token, bad):
    bad.behaviour = "failed"
    assert ra.start_ask(token, "bad").refusal()[0] == "INTERNAL"
    assert events(ra, "kube_csr_failed", failure="failed", signer=BAD, why="SigningError: on purpose")
    nothing_is_left(kube, ra)


def test_signer_never_answers(kube, ra, token):
    assert ra.start_ask(token, "silent").refusal()[0] == "DEADLINE_EXCEEDED"
    assert events(ra, "kube_csr_failed", failure="deadline", signer=SILENT)
    nothing_is_left(kube, ra)


def test_cert_manager_knows_no_such_issuer(kube, ra, token):
    """Its Events are in the log."""
    assert ra.start_ask(token, "never").refusal()[0] == "DEADLINE_EXCEEDED"
    said = wait_for(lambda: events(ra, "kube_csr_event"), LONG_S)
    assert any("never" in e["message"] for e in said), said
    nothing_is_left(kube, ra)


def test_issuer_that_comes_later(kube, ra, token, late):
    request = ra.start_ask(token, "late")
    wait_for(lambda: [c for c in kube.csrs(LATE) if c["status"].get("conditions")], LONG_S)
    assert not request.future.done()
    kube.create_cluster_issuer("later", late)
    request.certificate(late.certificate)
    kube.delete_cluster_issuer("later")
    nothing_is_left(kube, ra)


def test_somebody_deletes_the_request(kube, ra, token):
    request = ra.start_ask(token, "external")
    kube.delete_csr(filed(kube, EXTERNAL)[0]["metadata"]["name"])
    assert request.refusal()[0] == "ABORTED"
    assert events(ra, "kube_csr_failed", failure="deleted", signer=EXTERNAL)
    nothing_is_left(kube, ra)


def test_ban_while_a_request_is_pending(kube, ra, token, external):
    """What was signed is recorded, and withheld."""
    external.behaviour = "good"
    before = len(ra.records())
    request = ra.start_ask(token, "external")
    filed(kube, EXTERNAL)
    ra.ban("spiffe_id", ID)
    with Approver(kube, EXTERNAL):
        assert request.refusal()[0] == "PERMISSION_DENIED"
    withheld = events(ra, "issued_and_withheld")
    assert [e["spiffe_id"] for e in withheld] == [ID]
    assert len(ra.records()) == before + 1 and ra.records()[-1]["serial"] == withheld[0]["serial"]
    ra.unban("spiffe_id", ID)
    ra.start_ask(token).chain()
    nothing_is_left(kube, ra)


# ---- answers that nobody asked for ----

# What the log says of them; others are as good as "good".
REFUSED = {
    "another-key": "it is for another key than the request's", "another-id": "it is for another SPIFFE ID",
    "two-uris": "it is for another SPIFFE ID", "extra-dns": "it has a name that was not granted", "ca": "it is no X.509-SVID",
    "san-not-critical": "it is no X.509-SVID", "no-eku": "it has no extended key usage", "expired": "it has ended",
    "not-yet-valid": "it is not valid yet", "too-long": "it lives longer than was asked for", "expired-chain": "",
    "outlives-issuer": "it outlives its chain", "gap": "nothing that came with it, and no root, has signed it",
    "wrong-root": "", "garbage": "it is for another key than the request's",
}


@pytest.mark.parametrize("behaviour", sorted(set(BEHAVIOURS) - {"failed", "silent"}))
def test_what_comes_back(kube, ra, token, bad, behaviour):  # pylint: disable=too-many-arguments
    bad.behaviour = behaviour
    request = ra.start_ask(token, "bad")
    if behaviour not in REFUSED:
        request.certificate(bad.root.certificate)
        names = " ".join(c.subject.rfc4514_string() for c in request.chain()[1:])
        assert names == ("" if behaviour == "leaf-only" else "CN=inner CN=outer"), "ordered, once each, without the root"
    else:
        before = len(ra.records())
        assert request.refusal() == ("INTERNAL", "CSR signing error (keeper: what the issuer has signed is not what was asked for)")
        assert len(ra.records()) == before, "not ours, so not recorded"
        assert REFUSED[behaviour] in events(ra, "issuer_answer_refused")[-1]["what"]
    nothing_is_left(kube, ra)


# ---- roots that nobody told us ----

def test_root_of_the_first_answer(kube, ra, token, first):
    first.behaviour = "good"
    assert ra.start_ask(token, "first").refusal()[0] == "INTERNAL", "no root came with it"
    assert not events(ra, "issuer_root_pinned")
    first.behaviour = "root-included"
    ra.start_ask(token, "first").certificate(first.root.certificate)
    assert [e["issuer"] for e in events(ra, "issuer_root_pinned")] == ["first"]
    assert pem(first.root.certificate).strip() in ra.roots()
    first.behaviour = "good"
    ra.start_ask(token, "first").certificate(first.root.certificate)
    stranger = Signer(kube, FIRST)
    first.authorities, kept = stranger.authorities, first.authorities
    first.behaviour = "root-included"
    assert ra.start_ask(token, "first").refusal()[0] == "INTERNAL", "another one is not trusted any more"
    first.authorities = kept
    ra.stop()
    ra.start()
    assert pem(first.root.certificate).strip() in ra.roots(), "for good"
    ra.start_ask(token, "first").certificate(first.root.certificate)
    nothing_is_left(kube, ra)
