"""The CRL of each key that has signed something that has not ended, and the lists that the operator brings."""
import datetime
import json
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU

from harness import Signet, certs_of, key_pem, make_csr, make_key, wait_for
from test_brought import CA, ID, LOW, ROOT, UPPER, bring, cacerts, hup, issue, with_ca
from test_import import bring_in, pem, request, sign
from test_revocation import REFUSED, Holder, refusal

DAY = datetime.timedelta(days=1)


def crl(ca, serials=(), age=DAY, life=30 * DAY, number=1, key=None):
    now = datetime.datetime.utcnow()
    b = x509.CertificateRevocationListBuilder().issuer_name(ca.name).last_update(now - age).next_update(now - age + life)
    for serial in serials:
        b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - age).build())
    b = b.add_extension(x509.CRLNumber(number), False)
    return b.sign(key or ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def files(crls, low=LOW):
    return cacerts(low, [low, UPPER], [ROOT], **{"ca-crl.pem": crls})


class Lists:
    """What the daemon publishes, by issuer."""

    def __init__(self, s):
        self.answer = s.api("GET", "/v1/crl")
        self.all = [self.answer, *self.answer["others"]]
        self.crls = [x509.load_pem_x509_crl(i["pem"].encode()) for i in self.all]

    def of(self, ca):
        found = [(i, c) for i, c in zip(self.all, self.crls) if c.issuer == ca.name]
        assert len(found) == 1, [c.issuer for c in self.crls]
        assert found[0][1].is_signature_valid(ca.cert.public_key())
        return found[0]

    def serials(self, ca):
        return {r.serial_number for r in self.of(ca)[1]}

    def has(self, ca):
        return any(c.issuer == ca.name for c in self.crls)


def lists(s):
    def ask():
        status, answer = s.admin("GET", "/v1/crl")[:2]
        return status == 200
    wait_for(ask)
    return Lists(s)


def until(s, ca, serials):
    wait_for(lambda: lists(s).has(ca) and lists(s).serials(ca) == set(serials))
    return lists(s)


def own(s):
    """The CA that a daemon made for itself, with just enough to verify by."""
    ca = CA.__new__(CA)
    ca.cert = certs_of(s.roots())[0]
    ca.name = ca.cert.subject
    return ca


# ---- ours ----

def test_a_key_that_signs_no_more_goes_on_signing_its_list(tmp_path):
    with Signet() as s:
        before = own(s)
        held = [Holder(s, ID) for _ in range(3)]
        s.signet("cert", "revoke", "serial", held[0].serial)
        until(s, before, [held[0].leaf.serial_number])
        s.signet("root", "prepare")
        s.signet("root", "activate", "--force")
        after = own(s)
        assert after.name != before.name
        until(s, before, [held[0].leaf.serial_number])
        s.signet("cert", "revoke", "serial", held[1].serial)  # of the former key
        now = until(s, before, [h.leaf.serial_number for h in held[:2]])
        assert now.of(before)[0]["source"] == "former" and now.of(after)[0]["source"] == "signer"
        assert now.serials(after) == set()
        assert refusal(held[1].renew) == REFUSED
        assert s.stop() == 0
        s.start()
        again = until(s, before, [h.leaf.serial_number for h in held[:2]])
        assert again.of(before)[0]["number"] > now.of(before)[0]["number"]
        exported = s.signet("crl", "export").stdout
        (tmp_path / "crls.pem").write_text(exported)
        (tmp_path / "roots.pem").write_text(s.roots())
        for i, h in enumerate(held):  # as Envoy does: every CA of a chain has its list
            (tmp_path / "leaf.pem").write_text(h.chain[0])
            r = subprocess.run(["openssl", "verify", "-crl_check_all", "-CAfile", tmp_path / "roots.pem", "-CRLfile", tmp_path / "crls.pem",
                                tmp_path / "leaf.pem"], capture_output=True, text=True)
            assert (r.returncode == 0) == (i == 2), (i, r.stderr)


def test_after_an_import_the_former_intermediate_has_its_list():
    with Signet() as s:
        first = sign(request(s))
        bring_in(s, pem(first), ROOT.pem)
        mine = Holder(s, ID)
        bring_in(s, pem(sign(request(s))), ROOT.pem)
        s.signet("cert", "revoke", "serial", mine.serial)
        wait_for(lambda: [e for e in s.events("crl_issued") if e["entries"] == 1])
        them = [x509.load_pem_x509_crl(i["pem"].encode()) for i in lists(s).answer["others"]]
        assert [c.is_signature_valid(first.public_key()) for c in them if len(c) == 1] == [True]
        assert s.stop() == 0
        s.start()
        assert wait_for(lambda: [i for i in lists(s).answer["others"] if i["entries"] == 1])


def test_the_last_list_of_a_key_that_was_brought_outlives_what_it_signed():
    """Another CA takes over: the old key is gone at the next start, its list is not."""
    new = CA("New Low", UPPER)
    with with_ca(files("")) as s:
        mine = Holder(s, ID)
        bring(s.dir / "ca", files("", new))
        hup(s)
        wait_for(lambda: s.events("ca_replaced"))
        s.signet("cert", "revoke", "serial", mine.serial)
        until(s, LOW, [mine.leaf.serial_number])
        assert s.stop() == 0
        assert LOW.key_pem().split("\n")[1].encode() not in b"".join(p.read_bytes() for p in (s.dir / "data").rglob("*") if p.is_file())
        s.start()
        now = until(s, LOW, [mine.leaf.serial_number])
        item, it = now.of(LOW)
        assert item["source"] == "former" and it.next_update > mine.leaf.not_valid_after
        assert now.of(new)[0]["source"] == "signer"
        text = s.signet("crl", "show").stdout
        assert text.index("of the key that signs") < text.index("of a key that signed before")


# ---- theirs ----

def test_the_lists_of_the_cas_above_are_published_as_they_are(tmp_path):
    theirs = crl(UPPER, [77]) + crl(ROOT, [50])
    with with_ca(files(theirs)) as s:
        now = lists(s)
        assert now.serials(UPPER) == {77} and now.serials(ROOT) == {50} and now.serials(LOW) == set()
        assert {i["source"] for i in now.answer["others"]} == {"brought"}
        chain = issue(s)[1]
        exported = s.signet("crl", "export").stdout
        assert exported.count("BEGIN X509 CRL") == 3
        (tmp_path / "crls.pem").write_text(exported)
        (tmp_path / "roots.pem").write_text(ROOT.pem)
        (tmp_path / "between.pem").write_text("".join(chain[1:-1]))
        (tmp_path / "leaf.pem").write_text(chain[0])
        subprocess.run(["openssl", "verify", "-crl_check_all", "-x509_strict", "-CAfile", tmp_path / "roots.pem", "-untrusted",
                        tmp_path / "between.pem", "-CRLfile", tmp_path / "crls.pem", tmp_path / "leaf.pem"], check=True, capture_output=True)


def test_a_list_of_the_signing_key_itself_is_merged():
    """Its certificates of before: what was revoked there stays so."""
    with with_ca(files(crl(LOW, [77, 78], number=41))) as s:
        now = until(s, LOW, [77, 78])
        assert now.answer["number"] > 41 and now.answer["source"] == "signer" and now.answer["others"] == []
        mine = Holder(s, ID)
        s.signet("cert", "revoke", "serial", mine.serial)
        until(s, LOW, [77, 78, mine.leaf.serial_number])


def test_or_replaces_ours():
    with with_ca(files(crl(LOW, [77], number=41)), "  brought_crl: replace\n") as s:
        mine = Holder(s, ID)
        s.signet("cert", "revoke", "serial", mine.serial)
        assert refusal(mine.renew) == REFUSED
        now = lists(s)
        assert now.serials(LOW) == {77} and now.answer["number"] == 41 and now.answer["source"] == "brought"


def test_it_is_read_again_and_an_empty_one_clears_it():
    with with_ca(files(crl(UPPER, [77]))) as s:
        until(s, UPPER, [77])
        bring(s.dir / "ca", files(crl(UPPER, [77, 78], number=2)))  # seen by itself
        until(s, UPPER, [77, 78])
        bring(s.dir / "ca", files(""))
        hup(s)
        wait_for(lambda: not lists(s).has(UPPER))
        assert s.stop() == 0
        s.start()
        assert not lists(s).has(UPPER)
        told = [e["event"] for e in s.pages("/v1/events?limit=100")]
        assert told.count("crl_brought") == 2 and told.count("crl_cleared") == 1


def test_no_file_is_as_good_as_an_empty_one():
    with with_ca(files(crl(UPPER, [77]))) as s:
        until(s, UPPER, [77])
        bring(s.dir / "ca", cacerts(LOW, [LOW, UPPER], [ROOT]))
        wait_for(lambda: not lists(s).has(UPPER))


BAD = {
    "of a stranger": (lambda: crl(CA("Stranger"), [77]), "no CA of the chain and no root has issued it"),
    "of another key": (lambda: crl(CA("Upper"), [77]), "not by the key of the CA that it names"),
    "half": (lambda: crl(UPPER, [77])[:-60], "no well-formed PEM"),
    "a certificate": (lambda: UPPER.pem, "no revocation list"),
    "twice": (lambda: crl(UPPER, [77]) + crl(UPPER, [78]), "another list of the same issuer"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_list_takes_nothing_back_and_does_not_stop_the_ca(name):
    make, what = BAD[name]
    with with_ca(files(crl(UPPER, [76]))) as s:
        until(s, UPPER, [76])
        (s.dir / "bad").mkdir()
        for n, text in files(make()).items():
            (s.dir / "bad" / n).write_text(text)
        checked = s.signet("ca", "check", s.dir / "bad", check=False)
        assert checked.returncode == 1 and what in checked.stderr and "ca-crl.pem: list " in checked.stderr
        bring(s.dir / "ca", files(make()))
        refused = wait_for(lambda: s.events("crl_refused"))
        assert what in refused[0]["what"]
        assert lists(s).serials(UPPER) == {76}
        assert s.metric("signet_crl_failed_total") >= 1
        issue(s)
        assert s.stop() == 0
        s.start()  # the bad one is still there
        wait_for(lambda: len(s.events("crl_refused")) >= 2)
        assert lists(s).serials(UPPER) == {76}
        issue(s)


def test_what_it_lists_renews_nothing():
    """A certificate of the same key from before Signet, on the list that came with it."""
    with with_ca(files("")) as s:
        mine, other = Holder(s, ID), Holder(s, ID)
        mine.renew()
        with mine.channel() as channel:
            bring(s.dir / "ca", files(crl(LOW, [mine.leaf.serial_number])))
            wait_for(lambda: s.events("crl_brought"))
            assert refusal(mine.ask, channel) == REFUSED
        assert refusal(mine.renew) == REFUSED
        other.renew()
        bring(s.dir / "ca", files(""))
        wait_for(lambda: s.events("crl_cleared"))
        mine.renew()


def leaf(ca, key, spiffe_id=ID, serial=None, aki=True):
    now = datetime.datetime.utcnow()
    b = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(ca.name).serial_number(serial or x509.random_serial_number())
         .public_key(key.public_key()).not_valid_before(now - DAY).not_valid_after(now + DAY)
         .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)]), True)
         .add_extension(x509.BasicConstraints(False, None), True)
         .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
         .add_extension(x509.ExtendedKeyUsage([EKU.SERVER_AUTH, EKU.CLIENT_AUTH]), False))
    if aki:
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), False)
    return b.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def renew_with(s, key, *chain):
    with s.channel(key_pem(key), "".join(chain).encode(), ROOT.pem) as channel:
        return s.ask(make_csr(make_key(), ID), channel=channel)


def test_nor_does_what_a_revoked_ca_has_signed():
    """Another CA under our root, whose key was lost: nobody can make himself certificates of us out of it."""
    lost, key = CA("Lost", ROOT), make_key()
    with with_ca(files("")) as s:
        mine = leaf(lost, key)
        renew_with(s, key, mine, lost.pem)
        bring(s.dir / "ca", files(crl(ROOT, [lost.cert.serial_number])))
        wait_for(lambda: s.events("crl_brought"))
        assert refusal(renew_with, s, key, mine, lost.pem) == REFUSED
        assert refusal(renew_with, s, key, leaf(lost, key), lost.pem) == REFUSED
        Holder(s, ID).renew()


def test_a_certificate_that_names_no_issuer_is_looked_for_on_every_list():
    key = make_key()
    with with_ca(files(crl(UPPER, [77]))) as s:
        renew_with(s, key, leaf(UPPER, key, serial=78, aki=False), UPPER.pem)
        assert refusal(renew_with, s, key, leaf(UPPER, key, serial=77, aki=False), UPPER.pem) == REFUSED
        renew_with(s, key, leaf(LOW, key, serial=77), LOW.pem, UPPER.pem)  # another issuer's 77


def test_a_ca_of_the_chain_that_is_revoked_is_told_loudly():
    with with_ca(files(crl(UPPER, [LOW.cert.serial_number]))) as s:
        wait_for(lambda: [e for e in s.events("ca_warning") if "revokes a CA of the chain" in e["what"]])
        assert s.metric("signet_ca_revoked") == 1
        bring(s.dir / "ca", files(""))
        wait_for(lambda: s.metric("signet_ca_revoked") == 0)


def test_an_older_list_in_place_of_a_newer_one_is_told():
    with with_ca(files(crl(UPPER, [77, 78], number=2))) as s:
        until(s, UPPER, [77, 78])
        bring(s.dir / "ca", files(crl(UPPER, [77], age=5 * DAY)))
        until(s, UPPER, [77])
        assert s.events("crl_older")


def test_a_list_that_comes_before_its_ca_is_used_with_it():
    """Files that are put there one after the other."""
    new = CA("New Low", CA("New Upper", ROOT))
    with with_ca(files("")) as s:
        wait_for(lambda: [e for e in s.events("serving") if e["process"] == "monitor"])
        (s.dir / "ca/ca-crl.pem").write_text(crl(new.issuer, [77]))
        wait_for(lambda: s.events("crl_refused"))
        for n, text in cacerts(new, [new, new.issuer], [ROOT]).items():
            (s.dir / "ca" / n).write_text(text)
        wait_for(lambda: s.events("ca_replaced"), 20)
        until(s, new.issuer, [77])


# ---- the command ----

def test_one_of_several_is_chosen_by_its_key(tmp_path):
    with with_ca(files(crl(UPPER, [77]))) as s:
        ids = [i["issuer_key_id"] for i in lists(s).all]
        r = s.signet("crl", "export", "--der", check=False)
        assert r.returncode == 2 and "there are 2 CRLs" in r.stderr and "--key-id" in r.stderr
        s.signet("crl", "export", "--der", "--key-id", ids[1][:8].upper(), "--out", tmp_path / "one")
        assert {c.serial_number for c in x509.load_der_x509_crl((tmp_path / "one").read_bytes())} == {77}
        r = s.signet("crl", "export", "--key-id", "zz", check=False)
        assert r.returncode == 1 and "no CRL of a key" in r.stderr
        r = s.signet("crl", "export", "--key-id", "", check=False)
        assert r.returncode == 2
        assert len(json.loads(s.signet("crl", "show", "-o", "json").stdout)["others"]) == 1
