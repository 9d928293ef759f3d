"""make sbom: names every program and every library that one of them links."""
import hashlib
import json
import pathlib
import re
import subprocess

import pytest

from harness import BIN, BUILD

pytestmark = pytest.mark.release
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sbom(tmp_path_factory):
    out = tmp_path_factory.mktemp("sbom")
    texts = []
    for name in ("one", "two"):
        subprocess.run([ROOT / "tools/sbom", BUILD, out / name], check=True)
        texts.append((out / name).read_text())
    assert texts[0] == texts[1]  # the same programs, the same text
    return json.loads(texts[0])


def test_it_is_spdx(sbom):
    """What SPDX 2.3 demands of a document (clause 6) and of all that is in it."""
    assert sbom["spdxVersion"] == "SPDX-2.3" and sbom["dataLicense"] == "CC0-1.0" and sbom["SPDXID"] == "SPDXRef-DOCUMENT"
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", sbom["documentNamespace"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", sbom["creationInfo"]["created"]) and sbom["creationInfo"]["creators"]
    ids = [e["SPDXID"] for e in sbom["packages"] + sbom["files"]]
    assert len(ids) == len(set(ids)) and all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", i) for i in ids)
    for r in sbom["relationships"]:
        assert {r["spdxElementId"], r["relatedSpdxElement"]} <= {"SPDXRef-DOCUMENT", *ids}
    for p in sbom["packages"]:
        assert p["name"] and p["versionInfo"] and p["downloadLocation"]


def test_it_has_every_program_as_it_is(sbom):
    told = {f["fileName"]: {c["algorithm"]: c["checksumValue"] for c in f["checksums"]} for f in sbom["files"]}
    assert told == {f"./{p.name}": {"SHA1": hashlib.sha1(p.read_bytes()).hexdigest(), "SHA256": hashlib.sha256(p.read_bytes()).hexdigest()}
                    for p in BIN.iterdir()}


def test_every_library_that_a_program_asks_for_is_there(sbom):
    """By the Debian names of what tools/links.txt allows, and libc."""
    debian = {"libcrypto": "libssl3", "libssl": "libssl3", "libcurl": "libcurl4", "libjansson": "libjansson4", "liblmdb": "liblmdb0",
              "libmicrohttpd": "libmicrohttpd12", "libnghttp2": "libnghttp2-14", "libprotobuf-c": "libprotobuf-c1", "libuv": "libuv1",
              "libyaml-0": "libyaml-0-2"}
    for line in (ROOT / "tools/links.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        program, *libraries = line.split()
        told = {r["relatedSpdxElement"] for r in sbom["relationships"]
                if r["spdxElementId"] == f"SPDXRef-program-{program}" and r["relationshipType"] == "DYNAMIC_LINK"}
        assert told == {f"SPDXRef-deb-{debian[lib]}" for lib in libraries} | {"SPDXRef-deb-libc6"}


def test_versions_are_those_that_are_installed(sbom):
    for p in sbom["packages"]:
        if p["name"] != "signet":
            installed = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", p["name"]], check=True, capture_output=True, text=True)
            assert p["versionInfo"] == installed.stdout
    assert "libgnutls30" in {p["name"] for p in sbom["packages"]}  # comes with libcurl
