"""The operator's command against a running daemon: what it prints, what it writes, and its exit status."""
import json
import os
import shutil
import socket
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import BIN, Signet, certs_of, san_uris, serial_hex, verify_chain

OK, FAILED, USAGE, UNREACHABLE, NOT_FOUND, FORBIDDEN = range(6)
ID = "spiffe://example.org/vm/db1"


def parsed(r):
    return json.loads(r.stdout)


def public(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def written(directory):
    """(key, leaf) of what `request` wrote, after the checks that hold always."""
    assert sorted(p.name for p in directory.iterdir()) == ["cert-chain.pem", "key.pem", "root-cert.pem"]
    assert stat.S_IMODE((directory / "key.pem").stat().st_mode) == 0o600
    key = serialization.load_pem_private_key((directory / "key.pem").read_bytes(), None)
    leaf = certs_of((directory / "cert-chain.pem").read_text())[0]
    assert public(key.public_key()) == public(leaf.public_key())
    verify_chain(leaf, (directory / "root-cert.pem").read_text(), directory.parent)
    return key, leaf


def request(signet, directory, *args, token=None, check=True, **kwargs):
    return signet.signet("request", "--out-dir", str(directory), *args, stdin=token or "", check=check, **kwargs)


@pytest.fixture
def token(signet):
    return signet.token(ID)


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa2048"])
def test_request_writes_key_chain_and_roots(signet, tmp_path, token, kind):
    r = request(signet, tmp_path / "out", "--key-type", kind, token=token)
    _, leaf = written(tmp_path / "out")
    assert san_uris(leaf) == [ID] and ID in r.stdout and token not in r.stdout + r.stderr
    assert (tmp_path / "out/root-cert.pem").read_text() == signet.roots()


def test_token_may_come_from_file_environment_and_line(signet, tmp_path):
    (tmp_path / "token").write_text(signet.token(ID) + "\n")
    request(signet, tmp_path / "a", "--token-file", str(tmp_path / "token"))
    request(signet, tmp_path / "b", "--token", signet.token(ID))
    subprocess.run([BIN / "signet", "request", "--config", signet.config, "--out-dir", tmp_path / "c"], check=True, capture_output=True,
                   stdin=subprocess.DEVNULL, env={**os.environ, "SIGNET_TOKEN": signet.token(ID)})
    for name in "abc":
        written(tmp_path / name)


def test_renewal_replaces_all_three_files(signet, tmp_path, token):
    out = tmp_path / "out"
    request(signet, out, token=token)
    _, first = written(out)
    request(signet, out, "--cert", str(out / "cert-chain.pem"), "--key", str(out / "key.pem"))
    _, second = written(out)
    assert first != second and public(first.public_key()) != public(second.public_key())
    assert signet.record_of(second)["evidence"] == "mtls"


def test_lost_answer_is_asked_for_again_with_the_same_key(signet, tmp_path, token):
    out = tmp_path / "out"
    request(signet, out, token=token)
    _, first = written(out)
    (out / "key.pem").rename(out / "key.pem.pending")  # as if it had ended before the answer
    (out / "cert-chain.pem").unlink()
    request(signet, out, token=token)
    assert written(out)[1] == first


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_pending_key_that_others_can_read_is_not_used(signet, tmp_path, token, mode):
    out = tmp_path / "out"
    request(signet, out, token=signet.token(ID))
    planted = (out / "key.pem").rename(out / "key.pem.pending")
    planted.chmod(mode)
    key = serialization.load_pem_private_key(planted.read_bytes(), None)
    request(signet, out, token=token)
    assert public(written(out)[0].public_key()) != public(key.public_key())


def test_spent_token_is_refused_and_leaves_nothing(signet, tmp_path, token):
    request(signet, tmp_path / "a", token=token)
    r = request(signet, tmp_path / "b", token=token, check=False)
    assert r.returncode == FAILED and "UNAUTHENTICATED" in r.stderr and token not in r.stderr
    assert list((tmp_path / "b").iterdir()) == []


def test_refusal_leaves_the_old_files(signet, tmp_path, token):
    out = tmp_path / "out"
    request(signet, out, token=token)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert request(signet, out, token="sgt1_" + "A" * 43, check=False).returncode == FAILED
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_server_of_another_root_or_name_is_not_asked(signet, tmp_path, token):
    (tmp_path / "roots").write_text(signet.roots())
    with Signet() as other:
        (tmp_path / "other").write_text(other.roots())
    local = ("--server", f"127.0.0.1:{signet.port}")
    for args in (("--ca", str(tmp_path / "other")), ("--ca", str(tmp_path / "roots"), "--server-name", "nobody.example")):
        r = request(signet, tmp_path / "out", *local, *args, token=token, check=False)
        assert r.returncode == FAILED and "not trusted" in r.stderr
    assert list((tmp_path / "out").iterdir()) == []
    request(signet, tmp_path / "out", *local, "--ca", str(tmp_path / "roots"), token=token)  # and the token is still good


def test_request_says_json(signet, tmp_path, token):
    answer = parsed(request(signet, tmp_path / "out", "-o", "json", "--validity", "2h", token=token))
    _, leaf = written(tmp_path / "out")
    assert answer["certificate"]["uris"] == [ID]
    assert answer["certificate"]["serial"] == serial_hex(leaf)


def test_validity_above_the_maximum_is_refused(signet, tmp_path, token):
    r = request(signet, tmp_path / "out", "--validity", "400d", token=token, check=False)
    assert r.returncode == FAILED and "greater than the max" in r.stderr


def test_token_is_alone_on_standard_output(signet):
    r = signet.signet("token", "create", "--spiffe-id", ID, "--lifetime", "5m")
    assert r.stdout.startswith("sgt1_") and r.stdout.count("\n") == 1 and ID in r.stderr


def test_token_is_revoked_once(signet, tmp_path):
    made = parsed(signet.signet("token", "create", "--spiffe-id", ID, "-o", "json"))
    signet.signet("token", "revoke", made["id"])
    assert signet.signet("token", "revoke", made["id"], check=False).returncode == FAILED
    assert signet.signet("token", "revoke", "0" * 32, check=False).returncode == NOT_FOUND
    assert signet.tokens()[made["id"]]["state"] == "revoked"
    assert request(signet, tmp_path / "out", token=made["token"], check=False).returncode == FAILED
    assert "revoked" in signet.signet("token", "list").stdout


def test_pages_of_a_list_follow_each_other(signet):
    for _ in range(3):
        signet.token("spiffe://example.org/page")
    seen, page = [], []
    while True:
        answer = parsed(signet.signet("token", "list", "--limit", "1", "-o", "json", *page))
        seen += [t["id"] for t in answer["items"]]
        if "next" not in answer:
            break
        page = ["--page", answer["next"]]
    assert sorted(seen) == sorted(signet.tokens())


def test_record_is_found_by_index_and_serial(signet, tmp_path, token):
    request(signet, tmp_path / "out", token=token)
    _, leaf = written(tmp_path / "out")
    serial = serial_hex(leaf)
    colons = ":".join(serial[i:i + 2] for i in range(0, len(serial), 2)).upper()
    record = parsed(signet.signet("cert", "show", colons, "-o", "json"))
    assert record["certificate"]["serial"] == serial and record["spiffe_id"] == ID
    text = signet.signet("cert", "show", str(record["index"])).stdout
    assert ID in text and colons.lower() in text
    exported = signet.signet("cert", "export", str(record["index"])).stdout
    assert x509.load_pem_x509_certificate(exported.encode()) == leaf
    signet.signet("cert", "export", serial, "--out", str(tmp_path / "exported.pem"))
    assert (tmp_path / "exported.pem").read_text() == exported
    assert signet.signet("cert", "show", "999999", check=False).returncode == NOT_FOUND
    assert signet.signet("cert", "show", "ff" * 20, check=False).returncode == NOT_FOUND


def test_filters_of_the_list(signet, tmp_path):
    one = "spiffe://example.org/filter/one"
    request(signet, tmp_path / "out", "--validity", "1h", token=signet.token(one))

    def found(*args):
        return [r["spiffe_id"] for r in parsed(signet.signet("cert", "list", "-o", "json", "--spiffe-id", one, *args))["items"]]

    assert found() == [one]
    assert found("--expires-before", "2h") == [one] and found("--expires-after", "2h") == []
    assert found("--expires-after", "now") == [one] and found("--expires-before", "now") == []
    assert found("--issued-since", "1h") == [one] and found("--issued-before", "1h") == []
    assert found("--issued-since", "2020-01-01") == [one] and found("--issued-before", "2020-01-01T00:00:00Z") == []


def test_ban_holds_until_it_is_lifted(signet, tmp_path):
    who, out = "spiffe://example.org/banned", tmp_path / "out"
    request(signet, out, token=signet.token(who))
    renew = ("--cert", str(out / "cert-chain.pem"), "--key", str(out / "key.pem"))
    signet.signet("identity", "ban", "spiffe_id", who, "--reason", "stolen")
    assert signet.signet("identity", "ban", "spiffe_id", who, "--reason", "again", check=False).returncode == FAILED
    assert "stolen" in signet.signet("identity", "list").stdout
    r = request(signet, out, *renew, check=False)
    assert r.returncode == FAILED and "PERMISSION_DENIED" in r.stderr
    signet.signet("identity", "unban", "spiffe_id", who)
    assert signet.signet("identity", "unban", "spiffe_id", who, check=False).returncode == NOT_FOUND
    request(signet, out, *renew)


def test_key_is_banned_by_what_cert_show_prints(signet, tmp_path):
    who, out = "spiffe://example.org/banned-key", tmp_path / "out"
    token = signet.token(who)
    request(signet, out, token=token)
    _, leaf = written(out)
    shown = parsed(signet.signet("cert", "show", str(out / "cert-chain.pem"), "-o", "json"))[0]["key_sha256"]
    assert shown == signet.record_of(leaf)["key_hash"]
    signet.signet("identity", "ban", "key", shown, "--reason", "published")
    (out / "key.pem").rename(out / "key.pem.pending")
    assert request(signet, out, token=token, check=False).returncode == FAILED


def test_roots_are_shown_and_exported(signet, tmp_path):
    signet.signet("ca", "export-root", "--out", str(tmp_path / "roots.pem"))
    assert (tmp_path / "roots.pem").read_text() == signet.roots() == signet.signet("ca", "export-root").stdout
    assert parsed(signet.signet("ca", "show", "-o", "json"))["roots"][0]["ca"] is True
    assert "Signet" in signet.signet("ca", "show").stdout


def test_status_says_how_it_is(signet):
    text, answer = signet.signet("status").stdout, parsed(signet.signet("status", "-o", "json"))
    assert "example.org" in text and "store         good" in text and answer["fronts"] == 2 and answer["store_ok"] is True


def test_completion_completes(signet):
    script = signet.signet("completion", "bash").stdout
    ask = 'COMP_WORDS=(signet token "cr"); COMP_CWORD=2; _signet; echo "${COMPREPLY[@]}"'
    r = subprocess.run(["bash", "-c", script + ask], capture_output=True, text=True, check=True)
    assert r.stdout == "create\n"


def test_socket_closed_to_this_user_says_whom_to_ask(signet, tmp_path):
    """As root: as another user.  As an ordinary user: a socket that this one may not open."""
    if os.getuid() == 0:
        shutil.copy(BIN / "signet", signet.dir)  # the build may be in a directory that only root enters
        line = ["setpriv", "--reuid=4711", "--clear-groups", signet.dir / "signet", "status", "--config", signet.config]
    else:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(tmp_path / "sock"))
        (tmp_path / "sock").chmod(0)
        line = [BIN / "signet", "status", "--socket", tmp_path / "sock"]
    r = subprocess.run(line, capture_output=True, text=True)
    assert r.returncode == FORBIDDEN and "admin.group" in r.stderr


def test_no_daemon_is_said_with_what_to_do(tmp_path):
    r = subprocess.run([BIN / "signet", "token", "list", "--socket", tmp_path / "none.sock"], capture_output=True, text=True)
    assert r.returncode == UNREACHABLE and "systemctl status signet" in r.stderr
