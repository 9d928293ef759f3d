"""deploy/signet.service and make install, looked at without a running systemd."""
import pathlib
import re
import subprocess

import pytest

from harness import BIN, BUILD

pytestmark = pytest.mark.release
ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "signet.service"
EXPOSURE_MAX = 14  # tenths, of 100; what is left is in docs/hardening.md


def test_the_unit_leaves_little_open():
    r = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", UNIT],
                       capture_output=True, text=True)
    print("".join(line + "\n" for line in r.stdout.splitlines() if line.startswith(("✗", "→"))))
    assert r.returncode == 0, r.stdout + r.stderr


def members(name):
    """The system calls of a set such as @system-service, sets in it included."""
    if not name.startswith("@"):
        return {name}
    out = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True).stdout
    return set().union(*(members(line.strip()) for line in out.splitlines()[1:] if line.strip() and not line.strip().startswith("#")))


def test_the_unit_allows_what_the_processes_do():
    """What is in an allow-list of ours but not in the unit's would fail under systemd only."""
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.M):
        for name in line.lstrip("~").split():
            allowed = allowed - members(name) if line.startswith("~") else allowed | members(name)
    ours = set(re.findall(r"\b(?:ANY_|IS_|IF_)\(\"(\w+)\"", (ROOT / "tools/seccomp_lists.h").read_text())) | {"setsockopt"}
    assert len(ours) > 80
    assert ours - allowed == set()
    # to open sockets and files before that, as an ordinary user
    assert {"socket", "bind", "listen", "fchmod", "fchownat", "fchown", "mkdirat", "capset"} <= allowed
    assert not allowed & {"mount", "ptrace", "bpf", "setuid", "chroot", "reboot", "init_module", "process_vm_readv", "keyctl"}


def test_install_puts_every_program_and_page_in_place(tmp_path):
    subprocess.run([ROOT / "tools/install", BUILD, tmp_path, "/opt/x"], check=True, capture_output=True)
    there = {str(p.relative_to(tmp_path)): p for p in tmp_path.rglob("*") if not p.is_dir()}
    for program in BIN.iterdir():
        where = "opt/x/bin/signet" if program.name == "signet" else f"opt/x/lib/signet/{program.name}"
        assert there[where].stat().st_mode & 0o7777 == 0o755
    assert there["opt/x/sbin/signetd"].readlink() == pathlib.Path("../lib/signet/signetd")
    for page in (ROOT / "docs/man").iterdir():
        assert f"opt/x/share/man/man{page.suffix[1:]}/{page.name}" in there
    for file in ("lib/sysusers.d/signet.conf", "share/bash-completion/completions/signet", "share/doc/signet/examples/vm.yaml"):
        assert there["opt/x/" + file].stat().st_mode & 0o7777 == 0o644
    unit = there["opt/x/lib/systemd/system/signet.service"].read_text()
    assert "ExecStart=/opt/x/lib/signet/signetd -c" in unit and "/usr/lib/signet" not in unit
