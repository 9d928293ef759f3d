"""What compiler and linker were told to do is in the programs (docs/hardening.md), on x86-64.  Sanitized builds are something else."""
import functools
import re
import subprocess

import pytest

from harness import BIN, BUILD

pytestmark = pytest.mark.release
PROGRAMS = sorted(p.name for p in BIN.iterdir())
# The six of the Makefile.
EXPECTED = {"signetd", "signet-keeper", "signet-front", "signet-admin", "signet-courier", "signet"}


@functools.cache
def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], check=True, capture_output=True, text=True).stdout


def dynamic(name):
    """(tag, value) of the dynamic section."""
    return re.findall(r"^ 0x[0-9a-f]+ \((\w+)\)\s+(.*)$", readelf("-d", BIN / name), re.M)


def segments(name):
    """(type, flags) of the program headers."""
    return [(m[0], m[1].replace(" ", "")) for m in
            re.findall(r"^  (\w+) +(?:0x[0-9a-f]+ +){5}([RWE ]{3}) ", readelf("-l", BIN / name), re.M)]


def imported(name):
    return {m for m in re.findall(r" UND (\w+)", readelf("--dyn-syms", BIN / name))}


def test_every_program_is_looked_at():
    assert set(PROGRAMS) == EXPECTED


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_loaded_anywhere(name):
    assert re.search(r"Type:\s+DYN", readelf("-h", BIN / name))
    assert [v for t, v in dynamic(name) if t == "FLAGS_1" and "PIE" in v]


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_the_loader_has_set_is_read_only_from_the_start(name):
    assert ("GNU_RELRO", "R") in segments(name)
    assert [v for t, v in dynamic(name) if t == "FLAGS" and "BIND_NOW" in v]
    assert [v for t, v in dynamic(name) if t == "FLAGS_1" and "NOW" in v]


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_both_writable_and_executable(name):
    assert ("GNU_STACK", "RW") in segments(name)
    assert not [s for s in segments(name) if "W" in s[1] and "E" in s[1]]
    assert "TEXTREL" not in str(dynamic(name))


@pytest.mark.parametrize("name", PROGRAMS)
def test_code_is_mapped_without_data(name):
    """-z separate-code: read-only data before and after the code is in segments of its own, so that it cannot be run."""
    loads = [flags for kind, flags in segments(name) if kind == "LOAD"]
    assert loads == ["R", "RE", "R", "RW"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_libraries_come_from_the_system_only(name):
    assert not {t for t, _ in dynamic(name)} & {"RPATH", "RUNPATH"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_stack_and_buffers_are_checked(name):
    # the last two: where only run time knows how large a buffer is
    assert {"__stack_chk_fail", "__memcpy_chk", "__snprintf_chk"} <= imported(name)
    # these have no bound to check, so they must not be there at all
    assert not imported(name) & {"gets", "strcpy", "strcat", "sprintf", "vsprintf", "scanf", "system", "popen"}


def objects():
    return sorted(p for p in BUILD.rglob("*.o") if "tests" not in p.parts)


def test_our_code_marks_where_it_may_be_jumped_to():
    """Every object of ours is ready for IBT and SHSTK."""
    assert len(objects()) > 50
    for o in objects():
        assert "x86 feature: IBT, SHSTK" in readelf("-n", o), o


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_marked_if_the_system_allows_it(name):
    """The linker marks a program only if each object is: of those that Debian 12 adds, crt1 and crti are not."""
    system = [subprocess.run(["gcc", f"-print-file-name={o}"], check=True, capture_output=True, text=True).stdout.strip()
              for o in ("Scrt1.o", "crti.o")]
    allowed = all("IBT, SHSTK" in readelf("-n", o) for o in system)
    assert ("IBT, SHSTK" in readelf("-n", BIN / name)) == allowed
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", BIN / name], check=True, capture_output=True,
                          text=True).stdout
    assert re.search(r"<main>:\n +[0-9a-f]+:\s+endbr64", code)


def test_a_large_stack_frame_is_probed():
    """-fstack-clash-protection: pages of a large frame are touched one by one, so that none jumps over the guard page."""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", BIN / "signet-keeper"], check=True,
                          capture_output=True, text=True).stdout
    assert re.search(r"sub +\$0x1000,%rsp\n.*or[lq] +\$0x0,(0xff8)?\(%rsp\)", code)
