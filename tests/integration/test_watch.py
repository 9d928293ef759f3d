"""A changed ca.directory that could not be taken at once is taken when it can be, without anybody's doing."""
import shutil
import time

from cryptography.hazmat.primitives import serialization

from harness import make_csr, make_key, wait_for
from test_brought import CA, DAY, ID, LOW, ROOT, UPPER, bring, cacerts, hup, issue, with_ca

GOOD = cacerts(LOW, [LOW, UPPER], [ROOT])


def is_up(s):
    wait_for(lambda: [e for e in s.events("serving") if e["process"] == "monitor"])


def test_a_certificate_that_begins_in_a_moment():
    with with_ca(GOOD) as s:
        is_up(s)
        soon = CA("Soon", ROOT, start=4 / 86400)
        bring(s.dir / "ca", cacerts(soon, [soon], [ROOT]))
        wait_for(lambda: s.events("ca_reload_failed"))
        wait_for(lambda: s.events("ca_replaced"), 15)


def test_a_passphrase_that_comes_after_its_key():
    how = serialization.BestAvailableEncryption
    new = CA("New Low", ROOT)
    files = cacerts(LOW, [LOW, UPPER], [ROOT], **{"ca-key.pem": LOW.key_pem(encryption=how(b"one"))})
    s = with_ca(files, "  passphrase_file: @DIR@/passphrase\n")
    (s.dir / "passphrase").write_text("one\n")
    with s:
        is_up(s)
        bring(s.dir / "ca", cacerts(new, [new], [ROOT], **{"ca-key.pem": new.key_pem(encryption=how(b"two"))}))
        wait_for(lambda: s.events("ca_reload_failed"))
        (s.dir / "passphrase").write_text("two\n")
        wait_for(lambda: s.events("ca_replaced"), 6)


def test_a_broken_jwk_set_does_not_keep_the_ca_out():
    new = CA("New Low", ROOT)
    s = with_ca(GOOD, "jwt_issuers:\n- { name: k, issuer: 'https://k', audiences: [a], jwks_file: '@DIR@/jwks' }\n")
    (s.dir / "jwks").write_text('{"keys":[]}')
    with s:
        is_up(s)
        (s.dir / "jwks").unlink()
        bring(s.dir / "ca", cacerts(new, [new], [ROOT]))
        hup(s)
        wait_for(lambda: s.events("reload failed"))
        wait_for(lambda: s.events("ca_replaced"), 6)


def test_a_key_that_only_becomes_readable_later(tmp_path):
    new = CA("New Low", ROOT)
    with with_ca(GOOD) as s:
        is_up(s)
        fresh = s.dir / "ca.new"
        fresh.mkdir()
        for name, text in cacerts(new, [new], [ROOT]).items():
            (fresh / name).write_text(text)
        (fresh / "ca-key.pem").chmod(0o600)  # the daemon runs as nobody
        shutil.rmtree(s.dir / "ca")
        fresh.rename(s.dir / "ca")
        wait_for(lambda: s.events("reload failed"))
        shutil.chown(s.dir / "ca/ca-key.pem", "nobody")
        wait_for(lambda: s.events("ca_replaced"), 6)


def test_a_directory_that_only_root_reads_is_no_failure():
    s = with_ca(GOOD)
    (s.dir / "ca").chmod(0o700)
    with s:
        wait_for(lambda: s.events("ca.directory cannot be watched"))
        time.sleep(3)
        assert not s.events("reload failed") and s.metric("signet_ca_reload_failed_total") == 0
        issue(s)


def test_a_root_that_nobody_knew_signs_when_everybody_can_know_it():
    """What was answered without the new root has ended: then the set that was refused is taken."""
    new = CA("New Root")
    with with_ca(GOOD) as s:
        is_up(s)
        s.ask(make_csr(make_key(), ID), token=s.token(ID), validity=5)
        bring(s.dir / "ca", cacerts(new, [], [new, ROOT]))
        wait_for(lambda: s.events("ca_reload_failed"))
        wait_for(lambda: s.events("ca_replaced"), 20)
