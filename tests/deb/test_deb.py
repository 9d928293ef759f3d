"""The package in a Debian of its own, with its own systemd: from an older version to purge, one step after the other."""
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from cryptography import x509
from harness import san_uris, verify_chain, wait_for

DEB = pathlib.Path(os.environ["SIGNET_DEB"])
OLDER = "0.0.9"
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"  # nspawn knows none of these


class Machine:
    """A booted root.  It has a network of its own, with nobody in it."""

    def __init__(self, root):
        self.root, self.nspawn = root, None

    def __enter__(self):
        for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "console-getty.service"):
            (self.root / "etc/systemd/system" / unit).symlink_to("/dev/null")
        self.nspawn = subprocess.Popen(["systemd-nspawn", "--quiet", "--directory", self.root, "--register=no", "--keep-unit",
                                        "--private-network", "--system-call-filter=" + LANDLOCK, "--boot"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"), 120)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.nspawn.terminate()
        try:
            self.nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()

    def init(self):
        """Process id of its systemd; None before it is there."""
        assert self.nspawn.poll() is None, "systemd-nspawn has ended"
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        return next((c for c in children if pathlib.Path(f"/proc/{c}/comm").read_text().strip() == "systemd"), None)

    def run(self, *args, check=True, stdin=None):
        r = subprocess.run(["nsenter", "--all", "--target", self.init() or "0", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                            "DEBIAN_FRONTEND=noninteractive", *args], capture_output=True, text=True, input=stdin, timeout=120)
        if check and r.returncode != 0:
            raise AssertionError(f"{args} ended with {r.returncode}: {r.stdout}{r.stderr}")
        return r

    def out(self, *args, **more):
        return self.run(*args, **more).stdout.strip()

    def users(self):
        """Whose processes there are."""
        return self.out("sh", "-c", "stat -c %U /proc/[0-9]* 2>/dev/null; true").split()

    def unit(self, name):
        return self.out("systemctl", "show", "--value", "--property", name, "signet")


def older_package(workdir):
    """The same files under an older number."""
    subprocess.run(["dpkg-deb", "-R", DEB, workdir / "older"], check=True)
    control = workdir / "older/DEBIAN/control"
    control.write_text(re.sub("^Version: .*", "Version: " + OLDER, control.read_text(), flags=re.M))
    subprocess.run(["dpkg-deb", "-b", workdir / "older", workdir / "older.deb"], check=True, capture_output=True)
    return workdir / "older.deb"


@pytest.fixture(scope="module")
def machine():
    with tempfile.TemporaryDirectory(prefix="signet-deb-", ignore_cleanup_errors=True) as d:
        d = pathlib.Path(d)
        (d / "root").mkdir()
        subprocess.run(["tar", "-xf", os.environ["SIGNET_DEB_ROOT"], "-C", d / "root"], check=True)
        (d / "root/root/new.deb").write_bytes(DEB.read_bytes())
        (d / "root/root/older.deb").write_bytes(older_package(d).read_bytes())
        with Machine(d / "root") as m:
            yield m


@pytest.fixture(scope="module")
def known():
    """What a later step compares with."""
    return {}


def issue(m, token, name):
    """The chain that `signet request` got inside, and the roots."""
    m.run("sh", "-c", "signet ca export-root >/root/roots.pem")
    m.run("signet", "request", "--server", "127.0.0.1:15012", "--ca", "/root/roots.pem", "--token-file", "-", "--out-dir",
          "/root/" + name, stdin=token)
    return m.out("cat", f"/root/{name}/cert-chain.pem"), m.out("cat", "/root/roots.pem")


def test_it_does_not_start_before_it_is_configured(machine):
    machine.run("dpkg", "-i", "/root/older.deb")
    assert machine.out("dpkg-query", "-W", "-f", "${Version} ${Status}", "signet") == OLDER + " install ok installed"
    assert machine.out("systemctl", "is-enabled", "signet", check=False) == "disabled"
    assert machine.unit("ActiveState") == "inactive"
    assert machine.run("systemctl", "start", "signet", check=False).returncode != 0
    assert machine.unit("ExecMainStatus") == "2"
    assert "trust_domain" in machine.out("journalctl", "-u", "signet", "--no-pager")
    machine.run("systemctl", "reset-failed", "signet")


@pytest.mark.parametrize("path, mode", [
    ("/etc/signet", "755"), ("/etc/signet/signet.yaml", "644"), ("/usr/bin/signet", "755"), ("/usr/lib/signet", "755"),
    ("/usr/lib/signet/signetd", "755"), ("/usr/lib/signet/signet-keeper", "755"), ("/usr/lib/signet/signet-front", "755"),
    ("/usr/lib/signet/signet-admin", "755"), ("/usr/lib/signet/signet-courier", "755"), ("/lib/systemd/system/signet.service", "644"),
    ("/usr/lib/sysusers.d/signet.conf", "644"), ("/usr/share/bash-completion/completions/signet", "644")])
def test_a_file_is_root_s_and_nobody_else_writes_it(machine, path, mode):
    assert machine.out("stat", "-c", "%a %U %G", path) == f"{mode} root root"


def test_files_are_what_the_package_says(machine):
    assert machine.out("dpkg", "--verify", "signet") == ""
    assert machine.out("readlink", "-f", "/usr/sbin/signetd") == "/usr/lib/signet/signetd"
    assert machine.out("getent", "passwd", "signet").endswith("/nologin")
    assert machine.out("ldd", "/usr/lib/signet/signet-courier").count("not found") == 0


def test_configured_it_serves_as_its_user(machine, known):
    machine.run("sed", "-i", 's/^#trust_domain: .*/trust_domain: "deb.example"/', "/etc/signet/signet.yaml")
    machine.run("signet", "config", "check")
    machine.run("systemctl", "enable", "--now", "signet")
    wait_for(lambda: machine.unit("ActiveState") == "active", 60)
    assert machine.users().count("signet") >= 4
    assert machine.out("stat", "-c", "%a %U %G", "/var/lib/signet") == "700 signet signet"
    status = machine.out("cat", f"/proc/{machine.unit('MainPID')}/status")
    uid = machine.out("id", "-u", "signet")
    assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M) and re.search(r"^CapBnd:\t0+$", status, re.M)
    # the unit's own, and the monitor's
    assert int(re.search(r"^Seccomp_filters:\t(\d+)$", status, re.M)[1]) >= 2
    known["unused"] = machine.out("signet", "token", "create", "--spiffe-id", "spiffe://deb.example/vm/later")
    token = machine.out("signet", "token", "create", "--spiffe-id", "spiffe://deb.example/vm/now")
    chain, known["roots"] = issue(machine, token, "now")
    leaf = x509.load_pem_x509_certificate(chain.encode())
    assert san_uris(leaf) == ["spiffe://deb.example/vm/now"]
    with tempfile.TemporaryDirectory() as d:
        verify_chain(leaf, known["roots"], d)


def test_an_upgrade_restarts_it_and_keeps_data_and_configuration(machine, known):
    before, config = machine.unit("MainPID"), machine.out("cat", "/etc/signet/signet.yaml")
    machine.run("dpkg", "-i", "/root/new.deb")
    wait_for(lambda: machine.unit("ActiveState") == "active", 60)
    assert machine.unit("MainPID") != before
    assert machine.out("dpkg-query", "-W", "-f", "${Version}", "signet") != OLDER
    assert machine.out("cat", "/etc/signet/signet.yaml") == config
    chain, roots = issue(machine, known["unused"], "later")
    assert roots == known["roots"]
    assert san_uris(x509.load_pem_x509_certificate(chain.encode())) == ["spiffe://deb.example/vm/later"]
    known["certs"] = machine.out("signet", "cert", "list")
    assert "vm/now" in known["certs"] and "vm/later" in known["certs"]


def test_an_upgrade_leaves_a_stopped_one_stopped(machine):
    machine.run("systemctl", "stop", "signet")
    machine.run("dpkg", "-i", "/root/new.deb")
    assert machine.unit("ActiveState") == "inactive"
    machine.run("systemctl", "start", "signet")


def test_removed_it_stops_and_keeps_data_and_configuration(machine, known):
    machine.run("dpkg", "--remove", "signet")
    assert "signet" not in machine.users()
    assert machine.run("test", "-e", "/usr/lib/signet", check=False).returncode == 1
    assert 'trust_domain: "deb.example"' in machine.out("cat", "/etc/signet/signet.yaml")
    # and what was is there again
    machine.run("dpkg", "-i", "/root/new.deb")
    machine.run("systemctl", "start", "signet")
    assert machine.out("signet", "ca", "export-root") == known["roots"].strip()


def test_purged_it_leaves_the_key_and_the_records_and_says_so(machine):
    r = machine.run("dpkg", "--purge", "signet")
    assert "/var/lib/signet" in r.stdout and "kept" in r.stdout
    assert machine.out("stat", "-c", "%a %U", "/var/lib/signet/records.mdb") == "600 signet"
    assert machine.out("sh", "-c", "ls -d /etc/signet /usr/lib/signet /etc/systemd/system/*/signet.service /run/signet; true") == ""
    assert machine.run("dpkg-query", "-W", "signet", check=False).returncode == 1


def test_purged_without_data_nothing_is_left(machine):
    machine.run("sh", "-c", "rm -r /var/lib/signet/*")
    machine.run("dpkg", "-i", "/root/new.deb")
    r = machine.run("dpkg", "--purge", "signet")
    assert "kept" not in r.stdout
    assert machine.out("find", "/etc", "/usr", "/var/lib", "/run", "-name", "*signet*") == ""
