"""Where a certificate's CPU goes: samples of front and keeper under load (perf, frame by DWARF), each counted for the first row of the
table below that stands in its call stack.  Only the shares are to be quoted.  Run: tests/bench/run build/release --profile"""
import collections
import pathlib
import re
import subprocess
import tempfile

TABLES = {
    "front": [
        ("verify the CSR's signature", ["key_verify"]),
        ("parse the CSR (PEM, DER)", ["csr_parse_pem"]),
        ("authenticate (token cache)", ["auth_jwt"]),
        ("decide (policy, twice)", ["policy_decide"]),
        ("HTTP/2 in (frames, HPACK and Huffman)", ["nghttp2_session_mem_recv", "proto_istio_request"]),
        ("HTTP/2 out", ["nghttp2_session_mem_send", "call_reply"]),
        ("TLS records", ["SSL_read_ex", "SSL_write_ex"]),
        ("answer (PEM)", ["answer_put"]),
        ("sockets of clients", ["__libc_send", "__libc_recv", "send", "recv", "conn_write"]),
        ("channel to the keeper", ["link_issue", "chan_put", "chan_flush", "chan_receive"]),
        ("log", ["log_write", "log_flush"]),
        ("waiting, waking up", ["epoll_wait", "__libc_epoll_wait"]),
    ],
    "keeper": [
        ("sign", ["hsm_signer_sign"]),
        ("commit (write and flush, twice)", ["mdb_txn_commit"]),
        ("records into the transaction", ["store_batch_append", "mdb_put"]),
        ("hashes (key, key identifier)", ["key_sha256", "key_ski", "SHA256"]),
        ("limits, bans, revocations", ["limits_check", "bans_find", "limits_check_spiffe_id"]),
        ("build the TBSCertificate", ["template_build"]),
        ("read it back (lint)", ["lint_tbs"]),
        ("channels of the fronts", ["chan_put", "chan_flush", "chan_receive_one", "wire_issue_take"]),
        ("waiting, waking up", ["ppoll", "queue_wait", "keeper_publish"]),
    ],
}


def stacks(data):
    """One list of function names for each sample."""
    text = subprocess.run(["perf", "script", "-i", data], capture_output=True, text=True).stdout
    for block in text.split("\n\n"):
        names = [m[1].replace(" (inlined)", "") for m in re.finditer(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \(", block, re.M)]
        if names:
            yield names


def profile(load, role, run):
    data = pathlib.Path(tempfile.mkdtemp()) / "perf.data"
    pids = ",".join(map(str, load.signet.pids(role)))
    with subprocess.Popen(["perf", "record", "-o", data, "-F", "2000", "--call-graph", "dwarf,8192", "-p", pids, "--", "sleep", "3"],
                          stderr=subprocess.DEVNULL):
        run()
    counted, n = collections.Counter(), 0
    for names in stacks(data):
        n += 1
        for row, functions in TABLES[role]:
            if any(f in names for f in functions):
                counted[row] += 1
                break
    print(f"\n{role}: share of its CPU ({n} samples)")
    for row, _ in TABLES[role]:
        print(f"  {row:42} {100 * counted[row] / n:5.1f} %")
    print(f"  {'the rest':42} {100 * (n - sum(counted.values())) / n:5.1f} %")
