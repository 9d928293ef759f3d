"""Revocation: through real sockets, from the command to the refusal."""
import json
import signal
import subprocess

import grpc
import pytest
from cryptography import x509

from harness import Signet, certs_of, key_pem, make_csr, make_key, serial_hex, wait_for
from test_brought import CA, LOW, ROOT, UPPER, bring, cacerts, hup, with_ca

ID = "spiffe://example.org/vm/db1"
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, "request authenticate failure")


class Holder:
    """Somebody with a key and a certificate of it."""

    def __init__(self, signet, spiffe_id=ID):
        self.signet, self.id, self.key = signet, spiffe_id, make_key()
        self.chain = signet.ask(make_csr(self.key, spiffe_id), token=signet.token(spiffe_id))
        self.leaf = certs_of(self.chain[0])[0]
        self.serial = serial_hex(self.leaf)

    def channel(self):
        return self.signet.channel(key_pem(self.key), "".join(self.chain).encode())

    def renew(self, channel=None):
        with channel or self.channel() as c:
            return self.ask(c)

    def ask(self, channel):
        return certs_of(self.signet.ask(make_csr(make_key(), self.id), channel=channel)[0])[0]


def refusal(call, *args):
    with pytest.raises(grpc.RpcError) as e:
        call(*args)
    return e.value.code(), e.value.details()


def revocations(signet):
    return {r["serial"]: r for r in signet.pages("/v1/revocations?limit=1000")}


def test_a_revoked_certificate_is_refused_on_its_next_request_on_an_open_connection(signet):
    one, other = Holder(signet), Holder(signet)
    with one.channel() as mine, other.channel() as theirs:
        renewed = one.ask(mine)
        other.ask(theirs)
        said = signet.signet("cert", "revoke", "serial", one.serial, "--reason", "keyCompromise").stdout
        assert said == "revoked 1 certificate\n"
        assert refusal(one.ask, mine) == REFUSED
        other.ask(theirs)
    assert refusal(one.renew) == REFUSED, "nor on a new one"
    assert revocations(signet)[one.serial]["reason"] == "keyCompromise"
    assert serial_hex(renewed) not in revocations(signet), "what it got before is another certificate"
    assert "the client's certificate is revoked" in [e.get("why") or e.get("cause") for e in signet.events("refused")][-1]


def test_it_is_listed_and_shown(signet):
    holder = Holder(signet, ID + "-shown")
    before = signet.signet("cert", "show", holder.serial).stdout
    assert "REVOKED" not in before
    signet.signet("cert", "revoke", "serial", ":".join(holder.serial[i:i + 2] for i in range(0, len(holder.serial), 2)))
    index = signet.record_of(holder.leaf)["index"]
    for name in holder.serial, str(index):
        assert "REVOKED" in signet.signet("cert", "show", name).stdout
    shown = json.loads(signet.signet("cert", "show", str(index), "-o", "json").stdout)["revocation"]
    assert (shown["serial"], shown["record"], shown["reason"]) == (holder.serial, index, "unspecified")
    assert shown["by"].startswith("uid:")
    assert holder.serial in signet.signet("cert", "list", "--revoked").stdout
    page = json.loads(signet.signet("cert", "list", "--revoked", "--limit", "1", "-o", "json").stdout)
    assert len(page["items"]) == 1 and page["next"]
    assert signet.api("GET", "/v1/status")["store"]["revoked"] == len(revocations(signet))


def test_by_identity_key_rule_and_caller(signet):
    first, second = Holder(signet, ID + "-many"), Holder(signet, ID + "-many")
    key_hash = signet.record_of(second.leaf)["key_hash"]
    assert signet.signet("cert", "revoke", "spiffe_id", first.id, "--dry-run").stdout == "would revoke 2 certificates\n"
    first.renew()
    assert signet.signet("cert", "revoke", "key", key_hash).stdout == "revoked 1 certificate\n"
    said = signet.signet("cert", "revoke", "spiffe_id", first.id).stdout
    assert said == "revoked 2 certificates; 1 more had been revoked before\n"
    assert refusal(first.renew) == refusal(second.renew) == REFUSED
    third = Holder(signet, ID + "-third")
    renewed = third.renew()
    caller = signet.record_of(third.leaf)["caller"]
    assert caller.startswith("join_token:")
    assert signet.signet("cert", "revoke", "caller", caller).stdout == "revoked 2 certificates\n"
    assert serial_hex(renewed) in revocations(signet)
    rule = signet.record_of(third.leaf)["rule"]
    matched = json.loads(signet.signet("cert", "revoke", "rule", rule, "-o", "json").stdout)
    assert matched["matched"] >= matched["revoked"] and matched["matched"] > 2


def test_by_the_ca_s_key():
    with Signet() as s:
        one, other = Holder(s), Holder(s, ID + "-2")
        s.signet("root", "prepare")
        s.signet("root", "activate", "--force")
        after = Holder(s, ID + "-3")
        key_id = one.leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier.hex()
        under = len([r for r in s.records() if x509.load_pem_x509_certificate(r["pem"].encode()).extensions.get_extension_for_class(
            x509.AuthorityKeyIdentifier).value.key_identifier.hex() == key_id])  # the fronts' own included
        dry = s.signet("cert", "revoke", "ca-key", key_id, "--reason", "cACompromise", "--dry-run").stdout
        assert under > 2 and dry == f"would revoke {under} certificates\n"
        r = s.signet("cert", "revoke", "ca_key", key_id, "--ban", check=False)
        assert r.returncode == 2 and "let another sign" in r.stderr
        said = s.signet("cert", "revoke", "ca_key", key_id, "--reason", "cACompromise").stdout
        assert said == f"revoked {under} certificates\n"
        assert refusal(one.renew) == refusal(other.renew) == REFUSED
        after.renew()


def test_bans_and_revocations_are_in_the_journal(signet):
    holder = Holder(signet, ID + "-journal")
    signet.signet("cert", "revoke", "spiffe_id", holder.id, "--ban", "--reason", "keyCompromise")
    signet.signet("identity", "unban", "spiffe_id", holder.id)
    events = [e for e in signet.pages("/v1/events?limit=100") if e["subject"] == holder.id]
    assert [(e["event"], e["detail"]) for e in events] == [
        ("ban_removed", "spiffe_id"), ("certs_revoked", "spiffe_id: 1 certificates, reason 1"),
        ("ban_added", "spiffe_id: its certificates were revoked")]
    assert all(e["by"].startswith("uid:") for e in events)
    assert holder.id in signet.signet("event", "list").stdout


def test_with_a_ban_it_gets_no_other_one(signet):
    holder = Holder(signet, ID + "-banned")
    token = signet.token(holder.id)
    signet.signet("cert", "revoke", "serial", holder.serial, "--ban")
    signet.signet("cert", "revoke", "serial", holder.serial, "--ban")  # again does no harm
    assert refusal(lambda: signet.ask(make_csr(make_key(), holder.id), token=token))[0] == grpc.StatusCode.PERMISSION_DENIED
    assert [b["subject"] for b in signet.pages("/v1/bans?limit=10")] == [holder.id]
    signet.unban("spiffe_id", holder.id)
    assert refusal(holder.renew) == REFUSED, "a ban that is lifted lifts no revocation"


@pytest.mark.parametrize("args, status", [
    (["serial", "00:11"], 4), (["spiffe_id", "spiffe://example.org/nobody"], 4), (["rule", "none"], 4),
    (["serial", "xyz"], 2), (["spiffe_id", "example.org/vm"], 2), (["key", "00"], 2), (["name", "x"], 2), (["serial"], 2),
    (["ca_key", "00"], 2), (["ca_key", "0" * 40], 4), (["node", "nowhere"], 4), (["rule", "x", "--ban"], 2), (["rule", "x", "--reason", "certificateHold"], 2), (["rule", "x", "--reason", "because"], 2),
])
def test_command_that_is_refused(signet, args, status):
    before = revocations(signet)
    assert signet.signet("cert", "revoke", *args, check=False).returncode == status
    assert revocations(signet) == before


def test_filters_do_not_go_with_revoked(signet):
    r = signet.signet("cert", "list", "--revoked", "--spiffe-id", ID, check=False)
    assert r.returncode == 2 and "--spiffe-id" in r.stderr


@pytest.mark.parametrize("body", [
    None, {}, {"kind": "serial"}, {"kind": "serial", "subject": ""}, {"kind": "serial", "subject": "0"}, {"kind": "root", "subject": "x"},
    {"kind": "serial", "subject": "00" * 21}, {"kind": "key", "subject": "00" * 31}, {"kind": "rule", "subject": "x", "reason": "removeFromCRL"},
    {"kind": "rule", "subject": "x", "reason": 1}, {"kind": "rule", "subject": "x", "dry_run": 1}, {"kind": "rule", "subject": "x", "ban": True},
    {"kind": "rule", "subject": "x" * 2049},
])
def test_request_that_is_refused(signet, body):
    before = revocations(signet)
    status, answer = signet.admin("POST", "/v1/revocations", body)
    assert (status, answer["code"]) == (400, "INVALID_ARGUMENT")
    assert revocations(signet) == before


def test_it_outlives_a_kill():
    with Signet() as s:
        holder = Holder(s)
        s.signet("cert", "revoke", "spiffe_id", ID)
        s.stop(signal.SIGKILL)
        s.start()
        assert refusal(holder.renew) == REFUSED
        assert list(revocations(s)) == [holder.serial]


# ---- the CRL ----

def run(*args, **kw):
    return subprocess.run(args, capture_output=True, text=True, timeout=30, **kw)


def crl_of(signet):
    return x509.load_pem_x509_crl(signet.api("GET", "/v1/crl")["pem"].encode())


def number(signet):
    return signet.api("GET", "/v1/crl")["number"]


def crl_with(signet, serial):
    """The first CRL that names it."""
    wait_for(lambda: crl_of(signet).get_revoked_certificate_by_serial_number(int(serial, 16)) is not None)
    return crl_of(signet)


def test_after_a_revocation_the_crl_names_it(signet):
    good, bad = Holder(signet, ID + "-good"), Holder(signet, ID + "-bad")
    before = number(signet)
    signet.signet("cert", "revoke", "serial", bad.serial, "--reason", "superseded")
    crl = crl_with(signet, bad.serial)
    assert number(signet) > before
    entry = crl.get_revoked_certificate_by_serial_number(int(bad.serial, 16))
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.superseded
    assert crl.get_revoked_certificate_by_serial_number(int(good.serial, 16)) is None
    root = certs_of(signet.roots())[0]
    assert crl.issuer == root.subject and crl.is_signature_valid(root.public_key())
    aki = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert aki == root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert len(list(crl)) == signet.api("GET", "/v1/crl")["entries"] == signet.metric("signet_crl_entries")


def test_openssl_and_gnutls_believe_it(signet, tmp_path):
    good, bad = Holder(signet, ID + "-good"), Holder(signet, ID + "-bad")
    signet.signet("cert", "revoke", "serial", bad.serial)
    crl_with(signet, bad.serial)
    root, pem, der, leaf = (tmp_path / n for n in ("root.pem", "crl.pem", "crl.der", "leaf.pem"))
    root.write_text(signet.roots())
    signet.signet("crl", "export", "--out", str(pem))
    signet.signet("crl", "export", "--der", "--out", str(der))
    for form, path in ("PEM", pem), ("DER", der):
        r = run("openssl", "crl", "-inform", form, "-in", path, "-CAfile", root, "-noout", "-text")
        assert "verify OK" in r.stderr and "X509v3 CRL Number" in r.stdout, r
    assert run("certtool", "--verify-crl", "--load-ca-certificate", root, "--infile", pem).returncode == 0
    for holder, said in (good, "OK"), (bad, "certificate revoked"):
        leaf.write_text(holder.chain[0])
        r = run("openssl", "verify", "-CAfile", root, "-CRLfile", pem, "-crl_check", leaf)
        assert said in r.stdout + r.stderr, r
        r = run("certtool", "--verify", "--load-ca-certificate", root, "--load-crl", pem, "--infile", leaf)
        assert (r.returncode == 0) == (holder is good), r


def test_the_command_shows_it(signet):
    wait_for(lambda: signet.signet("crl", "show", check=False).returncode == 0)
    assert f"CRL number {number(signet)}, of the key that signs\n" in signet.signet("crl", "show").stdout
    assert json.loads(signet.signet("crl", "show", "-o", "json").stdout)["number"] == number(signet)
    assert signet.signet("crl", "export").stdout.startswith("-----BEGIN X509 CRL-----\n")
    assert signet.signet("crl", "export", "--out", "/nowhere/crl.pem", check=False).returncode == 1


def test_it_is_not_given_to_strangers(signet):
    for path in "/crl", "/v1/crl":
        assert signet.http(path)[0] == 404


def test_it_is_made_anew_after_half_its_life_and_never_counts_back():
    with Signet("ca: { crl_lifetime: 10s }\n") as s:
        wait_for(lambda: s.admin("GET", "/v1/crl")[0] == 200)
        first = number(s)
        wait_for(lambda: number(s) > first, seconds=8)
        s.stop(signal.SIGKILL)
        last = first + 1
        s.start()
        wait_for(lambda: s.admin("GET", "/v1/crl")[0] == 200)
        assert number(s) > last


def test_each_ca_that_is_brought_signs_a_list_of_its_own():
    other = CA("Next", ROOT)
    with with_ca(cacerts(LOW, [LOW, UPPER], [ROOT])) as s:
        def crl_by(ca):
            def it_is():
                status, answer = s.admin("GET", "/v1/crl")  # none for a moment, when another CA takes over
                return status == 200 and x509.load_pem_x509_crl(answer["pem"].encode()).issuer == ca.name
            wait_for(it_is)
            assert crl_of(s).is_signature_valid(ca.key.public_key())
            return crl_of(s)

        def change(ca, chain):
            bring(s.dir / "ca", cacerts(ca, chain, [ROOT]))
            hup(s)
            return crl_by(ca)
        crl_by(LOW)
        holder = Holder(s)
        s.signet("cert", "revoke", "spiffe_id", ID)
        crl_with(s, holder.serial)
        last = number(s)
        assert crl_by(LOW) and len(list(change(other, [other]))) == 0
        assert refusal(holder.renew) == REFUSED, "who signs now does not matter"
        assert [int(holder.serial, 16)] == [r.serial_number for r in change(LOW, [LOW, UPPER])]
        assert number(s) > last
