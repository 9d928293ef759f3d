"""signetd and its children: how they start, die, are replaced and stop; what the kernel knows of them."""
import os
import pathlib
import pwd
import signal
import socket
import ssl
import stat
import subprocess
import time

import pytest

from harness import BIN, SANITIZED, Signet, free_port, wait_for

SIGSYS = 31
ROLES = ("keeper", "front", "admin")


def run(config, *args, env=None):
    return subprocess.run([BIN / "signetd", "-c", config, *args], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **(env or {})})


def started(s):
    """Every process is ready; /healthz/ready is content with one front."""
    wait_for(lambda: [e for e in s.events("serving") if e["process"] == "monitor"])
    return s


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def self_signed(path, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost", "-keyout", path / "tls.key",
                    "-out", path / "tls.pem"], check=True, capture_output=True)
    for f in ("tls.key", "tls.pem"):
        (path / f).chmod(0o644)  # read again as the daemon's user


def served(s):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", s.port), timeout=5) as raw, context.wrap_socket(raw) as tls:
        return tls.getpeercert(binary_form=True)


@pytest.fixture
def unstarted():
    """Daemons that a test starts by itself: unstarted(...) makes one, and all are removed at the end."""
    made = []

    def make(*args, **kwargs):
        made.append(Signet(*args, **kwargs))
        return made[-1]
    yield make
    for s in made:
        s.__exit__()


# ---- starting ----

def test_configuration_mistakes_end_with_2_and_say_where(signet, tmp_path):
    bad = tmp_path / "bad.yaml"
    for text, word in (("trust_domain: example.org\nno_such_key: 1\n", "no_such_key"), ("", "trust_domain"),
                       ("trust_domain: example.org\npolicy:\n- name: a\n  spiffe_id: spiffe://elsewhere/x\n- name: a\n", "a")):
        bad.write_text(text)
        r = run(bad)
        assert r.returncode == 2 and word in r.stderr, r
        assert run(bad, "--check").returncode == 2
    none = run(tmp_path / "none.yaml")
    assert none.returncode == 2 and "signet init" in none.stderr
    assert run(signet.config, "--no-such-option").returncode == 2
    assert run(signet.config, "--check").returncode == 0


def test_what_cannot_start_ends_with_4(signet):
    r = run(signet.config)  # the address is taken, and so is everything else
    assert r.returncode == 4 and "Address already in use" in r.stderr
    assert signet.ready(), "the running daemon must not notice"
    assert (signet.dir / "run/admin.sock").is_socket()


def test_a_second_daemon_on_the_same_data_ends_with_4(signet, unstarted):
    other = unstarted()
    other.write_config(f"listen:\n  address: 127.0.0.1:{free_port()}\nmetrics:\n  address: \"\"\n")
    other.config.write_text(other.config.read_text().replace(str(other.dir / "data"), str(signet.dir / "data")))
    r = run(other.config)
    assert r.returncode == 4 and "in use" in r.stderr, r.stderr


def test_an_open_or_lost_key_encryption_key_is_refused():
    with Signet() as s:
        kek = s.dir / "data/key-encryption-key"
        assert stat.S_IMODE(kek.stat().st_mode) == 0o400 and kek.stat().st_size == 32
        assert s.events("key-encryption key made")
        assert s.stop() == 0
        kek.chmod(0o440)
        assert run(s.config).returncode == 4
        saved = kek.read_bytes()
        kek.unlink()
        r = run(s.config)  # a new one would open nothing
        assert r.returncode == 4 and "restore it" in r.stderr and not kek.exists()
        kek.write_bytes(bytes(32))  # not the one
        kek.chmod(0o400)
        shutil_owner(kek, s)
        assert run(s.config).returncode == 4
        kek.chmod(0o600)
        kek.write_bytes(saved)
        kek.chmod(0o400)
        s.start()


def shutil_owner(path, s):
    owner = (s.dir / "data").stat()
    os.chown(path, owner.st_uid, owner.st_gid)


def test_a_credential_of_the_service_manager_is_used(tmp_path):
    (tmp_path / "key-encryption-key").write_bytes(os.urandom(32))
    (tmp_path / "key-encryption-key").chmod(0o400)
    with Signet(env={"CREDENTIALS_DIRECTORY": str(tmp_path)}) as s:
        assert not (s.dir / "data/key-encryption-key").exists()
        assert s.events("key-encryption key")


def test_the_service_manager_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        with Signet(env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as s:
            assert manager.recv(100) == b"READY=1"
            s.stop()
            assert manager.recv(100) == b"STOPPING=1"


# ---- what the kernel knows ----

def test_no_process_has_anything_to_give_up(signet):
    want = {"CapPrm": "0" * 16, "CapEff": "0" * 16, "CapAmb": "0" * 16, "CapInh": "0" * 16, "NoNewPrivs": "1"}
    if not SANITIZED:
        want["Seccomp"] = "2"
    pids = [signet.process.pid] + [p for r in ROLES for p in started(signet).pids(r)]
    assert len(pids) == 5
    for pid in pids:
        status = status_of(pid)
        assert {k: status[k] for k in want} == want
        if os.getuid() == 0:
            assert status["CapBnd"] == "0" * 16
            assert status["Uid"].split() == [str(pwd.getpwnam("nobody").pw_uid)] * 4
            assert "0" not in status["Groups"].split()
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert any(line.split()[4:6] == ["0", "0"] for line in limits.splitlines() if line.startswith("Max core file size"))


def test_the_keeper_maps_two_libraries(signet):
    if os.getuid() != 0:
        return  # not dumpable: only root may look
    maps = pathlib.Path(f"/proc/{signet.pids('keeper')[0]}/maps").read_text()
    libraries = {line.split("/")[-1].split(".so")[0] for line in maps.splitlines() if ".so" in line}
    libraries -= {"libc", "libpthread", "ld-linux-x86-64"} | ({"libasan", "libubsan", "libm", "libgcc_s", "libstdc++"} if SANITIZED else set())
    assert libraries == {"libcrypto", "liblmdb"}


@pytest.mark.release
def test_a_child_has_no_environment(signet):
    if os.getuid() != 0:
        return
    for role in ROLES:
        assert pathlib.Path(f"/proc/{signet.pids(role)[0]}/environ").read_bytes() == b""


@pytest.mark.release
def test_the_sandbox_kills_a_keeper_that_calls_socket(points, unstarted):
    s = unstarted(build=points, env={"SIGNET_TEST_SOCKET": "1"})
    s.spawn()
    assert s.process.wait(20) == 3
    ended = s.events("process ended")
    assert [(e["child"], e["signal"]) for e in ended] == [("keeper", SIGSYS)]


@pytest.mark.release
def test_the_installed_programs_have_no_such_hook():
    with Signet(env={"SIGNET_TEST_SOCKET": "1", "SIGNET_TEST_KILL": "after-sign:1"}) as s:
        assert s.ready()


# ---- dying ----

def test_front_and_admin_are_started_again():
    with Signet() as s:
        started(s)
        for role in ("front", "admin"):
            before = s.pids(role)
            os.kill(before[0], signal.SIGKILL)
            wait_for(lambda: len(s.pids(role)) == len(before) and before[0] not in s.pids(role))
        wait_for(s.ready)
        assert s.metric("signet_process_restarts_total") == 2
        served(s)
        assert s.process.poll() is None


def test_what_a_killed_front_held_is_counted_no_longer():
    with Signet("listen: { address: '127.0.0.1:@PORT@', fronts: 1 }\n") as s:
        started(s)
        with socket.create_connection(("127.0.0.1", s.port)):
            wait_for(lambda: s.metric("signet_connections") == 1)
            assert s.metric("signet_fronts_serving") == 1
            accepted, front = s.metric("signet_connections_total"), s.pids("front")[0]
            os.kill(front, signal.SIGKILL)
            wait_for(lambda: s.metric("signet_process_restarts_total") == 1 and s.metric("signet_fronts_serving") == 1)
            assert s.metric("signet_connections") == 0
            assert s.metric("signet_connections_total") == accepted


def test_a_dead_keeper_ends_the_daemon_with_3():
    with Signet() as s:
        os.kill(s.pids("keeper")[0], signal.SIGKILL)
        assert s.process.wait(20) == 3
        s.start()  # and the store is as it was
        assert s.stop() == 0


def test_a_killed_monitor_takes_everybody_with_it():
    with Signet() as s:
        pids = [p for r in ROLES for p in started(s).pids(r)]
        assert len(pids) == 4
        s.process.kill()
        s.process.wait()
        wait_for(lambda: not any(pathlib.Path(f"/proc/{p}/status").exists() and status_of(p)["State"][0] != "Z" for p in pids))
        s.start()  # the admin socket that was left behind is in nobody's way


# ---- signals ----

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean(sig):
    with Signet() as s:
        for p in [p for r in ROLES for p in started(s).pids(r)]:
            os.kill(p, sig)  # as a terminal does to the whole group: children wait to be told
        time.sleep(0.2)
        assert s.ready()
        assert s.stop(sig) == 0
        assert {(e["status"], e["signal"]) for e in s.events("process ended")} == {(0, 0)}
        assert not (s.dir / "run/admin.sock").exists()


def test_hup_replaces_the_fronts_with_new_files():
    s = Signet("tls:\n  cert_file: @DIR@/tls.pem\n  key_file: @DIR@/tls.key\n")
    self_signed(s.dir, "one")
    with s:
        keeper, fronts, first = started(s).pids("keeper"), s.pids("front"), served(s)
        self_signed(s.dir, "two")
        s.process.send_signal(signal.SIGHUP)
        wait_for(lambda: s.events("reloaded"))
        assert served(s) != first
        assert s.pids("keeper") == keeper and not set(s.pids("front")) & set(fronts)
        assert s.metric("signet_process_restarts_total") == 0, "a reload is no restart"
        (s.dir / "tls.pem").unlink()
        fronts = s.pids("front")
        s.process.send_signal(signal.SIGHUP)
        wait_for(lambda: s.events("reload failed"))
        assert s.pids("front") == fronts
        served(s)


def test_files_that_a_front_refuses_are_not_taken():
    s = Signet("tls:\n  cert_file: @DIR@/tls.pem\n  key_file: @DIR@/tls.key\n")
    self_signed(s.dir, "one")
    with s:
        first = served(started(s))
        (s.dir / "tls.pem").write_text("no certificate\n")
        s.process.send_signal(signal.SIGHUP)
        wait_for(lambda: s.events("reload failed"))
        wait_for(lambda: len(s.pids("front")) == 2)
        wait_for(lambda: served(s) == first)
        self_signed(s.dir, "two")  # and the next one works
        s.process.send_signal(signal.SIGHUP)
        wait_for(lambda: s.events("reloaded"))
        assert served(s) != first
