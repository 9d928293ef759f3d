"""The CSR API as Istio's clients know it: what is answered, with which code, which text and which chain."""
import base64
import datetime
import signal
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf import descriptor_pb2

import der
from harness import (PATH, Signet, certs_of, encode_request, field, make_csr, make_key, now, san_uris, varint, verify_chain)
from raw import Raw, frame
from tokens import Issuer

ID = "spiffe://example.org/ns/web/sa/shop"
CLUSTER = Issuer("https://issuer.example/cluster")
KEY = make_key()
DAY = 86400
CONFIG = """
jwt_issuers:
  - { name: cluster, issuer: https://issuer.example/cluster, jwks_file: @DIR@/cluster.jwks, audiences: [istio-ca], kind: kubernetes }
"""
Code = grpc.StatusCode


def shop(**claims):
    return CLUSTER.token({"sub": "system:serviceaccount:web:shop", "aud": ["istio-ca"], **claims})


TOKEN = shop()


@pytest.fixture(scope="module")
def signet():
    s = Signet(CONFIG)
    CLUSTER.write(s.dir)
    with s:
        yield s


def refused(signet, code, text, csr=None, **ask):
    ask.setdefault("token", TOKEN)
    with pytest.raises(grpc.RpcError) as e:
        signet.ask(csr if csr is not None else make_csr(KEY, ID), **ask)
    assert (e.value.code(), e.value.details()) == (code, text)


def issue(signet, csr=None, token=TOKEN, **ask):
    return signet.ask(csr or make_csr(KEY, ID), token=token, **ask)


def leaf_of(chain):
    return certs_of(chain[0])[0]


def lifetime(cert):
    return (cert.not_valid_after - cert.not_valid_before).total_seconds() - 120


# ---- what clients send ----

def pilot_agent_csr():
    return der.pem(der.request(make_key("rsa2048"), der.empty_org(), [der.uri_san(ID)]))


def ztunnel_csr():
    return der.pem(der.request(make_key(), der.seq(), [der.uri_san(ID)]))


@pytest.mark.parametrize("csr", [
    pytest.param(pilot_agent_csr(), id="pilot_agent_empty_O_and_rsa2048"),
    pytest.param(ztunnel_csr(), id="ztunnel_empty_subject"),
    pytest.param(ztunnel_csr().replace("\n", "\r\n"), id="crlf_line_ends"),
    pytest.param(ztunnel_csr().replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"), id="new_certificate_request_label"),
    pytest.param("Subject: me\n" + ztunnel_csr(), id="text_before_the_block"),
    pytest.param(make_csr(KEY), id="no_names_at_all"),
    pytest.param(make_csr(KEY, ID, critical=False), id="san_not_critical"),
    pytest.param(make_csr(KEY, "spiffe://other.example/x", dns=["istiod.istio-system.svc"]), id="names_it_must_not_have"),
    pytest.param(make_csr(KEY, ID, subject=[x509.NameAttribute(x509.NameOID.COMMON_NAME, "admin")]), id="a_common_name"),
])
def test_certificate_is_issued_with_the_names_of_the_caller_for(signet, channel, csr):
    chain = signet.ask(csr, token=TOKEN, channel=channel)
    assert len(chain) == 2, "leaf and root, one certificate each"
    assert chain[1] == signet.roots()
    leaf = leaf_of(chain)
    verify_chain(leaf, chain[1], signet.dir)
    assert san_uris(leaf) == [ID] and len(leaf.subject.rdns) == 0
    assert len(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == 1
    assert all(element.startswith("-----BEGIN CERTIFICATE-----\n") and element.endswith("-----END CERTIFICATE-----\n") and
               element.count("BEGIN") == 1 for element in chain)


def test_key_encipherment_is_for_rsa_keys_only(signet, channel):
    usage = {kind: leaf_of(issue(signet, make_csr(make_key(kind), ID), channel=channel)).extensions
             .get_extension_for_class(x509.KeyUsage).value.key_encipherment for kind in ("p256", "p384", "ed25519", "rsa2048")}
    assert usage == {"p256": False, "p384": False, "ed25519": False, "rsa2048": True}


def bad_self_signature():
    return der.pem(der.request(KEY, signer=make_key()))


def der_of(pem):
    return base64.b64decode("".join(pem.strip().splitlines()[1:-1]))


def flipped(pem):
    raw = bytearray(der_of(pem))
    raw[-1] ^= 1
    return der.pem(bytes(raw))


GOOD = make_csr(KEY, ID)
SIGNING = "CSR signing error ("


@pytest.mark.parametrize("csr", [
    pytest.param("", id="empty"),
    pytest.param("hello", id="not_pem"),
    pytest.param(der_of(GOOD).hex(), id="hex"),
    pytest.param(GOOD + GOOD, id="two_blocks"),
    pytest.param(GOOD + "tail", id="text_after_the_block"),
    pytest.param(GOOD.replace("-----END CERTIFICATE REQUEST-----", ""), id="block_not_closed"),
    pytest.param(GOOD.replace("-----END CERTIFICATE", "-----END NEW CERTIFICATE"), id="labels_differ"),
    pytest.param(der.pem(der_of(GOOD) + b"\0"), id="trailing_byte"),
    pytest.param(der.pem(der_of(GOOD)[:-1]), id="cut"),
    pytest.param(der.pem(b"\x30\x80" + der_of(GOOD)[2:]), id="indefinite_length"),
    pytest.param(bad_self_signature(), id="signed_by_another_key"),
    pytest.param(flipped(GOOD), id="signature_altered"),
    pytest.param(make_csr(make_key("rsa1024"), ID), id="rsa_1024"),
    pytest.param(make_csr(rsa.generate_private_key(3, 2048), ID), id="rsa_exponent_3"),
    pytest.param(der.pem(der.request(KEY, attributes=[der.uri_san(b"spiffe://example.org/a\0.evil")])), id="nul_in_uri"),
    pytest.param(der.pem(der.request(KEY, attributes=[der.uri_san("spiffe://example.org/\u00e9")])), id="uri_not_ascii"),
    pytest.param(der.pem(der.request(KEY, attributes=[der.uri_san(ID), der.uri_san(ID)])), id="names_twice"),
    pytest.param(der.pem(der.request(KEY, attributes=[der.uri_san("x" * 17000)])), id="over_16_kib"),
    pytest.param(der.pem(bytes.fromhex("3000")), id="nothing_in_it"),
])
def test_bad_csr_is_an_invalid_argument(signet, channel, csr):
    records = len(signet.records())
    with pytest.raises(grpc.RpcError) as e:
        signet.ask(csr, token=TOKEN, channel=channel)
    assert e.value.code() == Code.INVALID_ARGUMENT
    assert e.value.details().startswith(SIGNING) and e.value.details().endswith(")")
    assert len(signet.records()) == records, "and leaves no record"


def test_message_of_1_mib_is_refused_before_it_is_kept(signet, channel):
    refused(signet, Code.RESOURCE_EXHAUSTED, "grpc: message larger than the limit", "A" * (1 << 20), channel=channel)


# ---- who asks, before what is asked ----

@pytest.mark.parametrize("token, headers", [
    pytest.param(None, [], id="nothing"),
    pytest.param("", [], id="an_empty_token"),
    pytest.param(None, [("authorization", "bearer " + TOKEN)], id="bearer_in_lower_case"),
    pytest.param(None, [("authorization", TOKEN)], id="a_token_without_bearer"),
    pytest.param(None, [("authorization", "Basic dXNlcjpwYXNz")], id="basic"),
    pytest.param(None, [("authorization", "Bearer  " + TOKEN)], id="two_spaces"),
    pytest.param(TOKEN + "x", [], id="a_token_with_one_more_character"),
    pytest.param("sgt1_" + "A" * 43, [], id="a_join_token_nobody_made"),
    pytest.param("sgt1_", [], id="a_join_token_of_no_length"),
    pytest.param("A" * 16000, [], id="a_long_token"),
    pytest.param("a.b.c", [], id="three_parts_of_nothing"),
])
def test_who_is_not_authenticated_gets_istios_answer_whatever_the_csr(signet, channel, token, headers):
    for csr in (GOOD, "not a CSR"):
        refused(signet, Code.UNAUTHENTICATED, "request authenticate failure", csr, token=token, headers=headers, channel=channel)


def test_first_of_two_authorization_headers_counts(signet, channel):
    other = [("authorization", "Bearer " + CLUSTER.token({"sub": "system:serviceaccount:web:other", "aud": ["istio-ca"]}))]
    first = [("authorization", "Bearer " + TOKEN)]
    assert san_uris(leaf_of(issue(signet, token=None, headers=first + other, channel=channel))) == [ID]
    assert san_uris(leaf_of(issue(signet, token=None, headers=other + first, channel=channel))) == ["spiffe://example.org/ns/web/sa/other"]
    bad = [("authorization", "Bearer nonsense")]
    refused(signet, Code.UNAUTHENTICATED, "request authenticate failure", token=None, headers=bad + first, channel=channel)
    for none in ("Basic dXNlcjpwYXNz", "bearer nonsense", ""):  # not a bearer token: as if it were not there
        headers = [("authorization", none)] + first
        assert san_uris(leaf_of(issue(signet, token=None, headers=headers, channel=channel))) == [ID]


# ---- lifetimes ----

@pytest.mark.parametrize("asked, given", [
    pytest.param(0, DAY, id="0_is_the_default"),
    pytest.param(-1, DAY, id="negative_is_the_default"),
    pytest.param(-(1 << 63), DAY, id="int64_min_is_the_default"),
    pytest.param(1, 1, id="1s"),
    pytest.param(3600, 3600, id="1h"),
    pytest.param(90 * DAY, 90 * DAY, id="the_maximum"),
])
def test_validity_asked_in_seconds(signet, channel, asked, given):
    before = now().replace(microsecond=0)
    leaf = leaf_of(issue(signet, validity=asked, channel=channel))
    assert lifetime(leaf) == given
    skew = leaf.not_valid_before + datetime.timedelta(minutes=2) - before
    assert datetime.timedelta(0) <= skew <= datetime.timedelta(seconds=20), "two minutes back"


@pytest.mark.parametrize("asked, text", [
    (90 * DAY + 1, "2160h0m1s"),
    (9223372037, "2562047h47m17s"),  # × 10^9 is negative in 64 bits
    (18446744074, "5124095h34m34s"),  # × 10^9 wraps to 0.29 s, which istiod issues
    ((1 << 63) - 1, "2562047788015215h30m7s"),
])
def test_validity_over_the_maximum_is_refused_and_nothing_overflows(signet, channel, asked, text):
    refused(signet, Code.INVALID_ARGUMENT,
            f"CSR signing error (requested TTL {text} is greater than the max allowed TTL 2160h0m0s)", validity=asked, channel=channel)


def test_no_certificate_outlives_its_root():
    with Signet("ca: { root_lifetime: 24h }\ncert: { default_lifetime: 48h }\n") as s:
        root = certs_of(s.roots())[0]
        for asked in (0, 89 * DAY):
            leaf = leaf_of(s.ask(make_csr(KEY, ID), token=s.token(ID), validity=asked))
            assert leaf.not_valid_after == root.not_valid_after
        leaf = leaf_of(s.ask(make_csr(KEY, ID), token=s.token(ID), validity=3600))
        assert lifetime(leaf) == 3600


# ---- metadata ----

@pytest.mark.parametrize("metadata", [
    {}, {"CertSigner": ""}, {"CertSigner": "default"}, {"ImpersonatedIdentity": ""},
    {"WorkloadName": "shop", "WorkloadIP": "10.0.0.1", "ClusterID": "c1"},
    {"CertSigner": 17}, {"CertSigner": None}, {"CertSigner": True}, {"CertSigner": ["x"]}, {"CertSigner": {"a": "b"}},
    {"ImpersonatedIdentity": ["spiffe://example.org/ns/a/sa/b"]},
    {"certsigner": "x", "CERTSIGNER": "y"},
], ids=str)
def test_metadata_that_asks_for_nothing_special(signet, channel, metadata):
    assert san_uris(leaf_of(issue(signet, metadata=metadata, channel=channel))) == [ID]


@pytest.mark.parametrize("metadata, code, text", [
    pytest.param({"CertSigner": "clusterissuers.cert-manager.io/mesh"}, Code.PERMISSION_DENIED, "request denied by policy", id="unknown_signer"),
    pytest.param({"CertSigner": " default"}, Code.PERMISSION_DENIED, "request denied by policy", id="signer_with_a_space"),
    pytest.param({"ImpersonatedIdentity": "spiffe://example.org/ns/other/sa/x"}, Code.UNAUTHENTICATED,
                 "request impersonation authentication failure", id="impersonation_without_the_right"),
    pytest.param({"ImpersonatedIdentity": "spiffe://evil.example/ns/web/sa/shop"}, Code.UNAUTHENTICATED,
                 "request impersonation authentication failure", id="impersonation_in_a_foreign_trust_domain"),
    pytest.param({"ImpersonatedIdentity": "hello"}, Code.UNAUTHENTICATED, "request impersonation authentication failure",
                 id="impersonation_of_no_spiffe_id"),
])
def test_metadata_that_asks_for_too_much(signet, channel, metadata, code, text):
    refused(signet, code, text, metadata=metadata, channel=channel)


def nested(levels, wrap):
    value = b""
    for _ in range(levels):
        value = wrap(value)
    return value


def in_list(value):  # Value{list_value = 6: ListValue{values = 1: Value}}
    return field(6, field(1, value))


def in_struct(value):  # Value{struct_value = 5: Struct{fields = 1: {key = 1: "a", value = 2: Value}}}
    return field(5, field(1, field(1, b"a") + field(2, value)))


def call_raw(channel, message, path=PATH, timeout=20, token=TOKEN, with_call=False):
    method = channel.unary_unary(path, request_serializer=lambda b: b, response_deserializer=lambda b: b)
    return (method.with_call if with_call else method)(message, metadata=[("authorization", "Bearer " + token)], timeout=timeout)


def test_metadata_nested_ten_thousand_deep_costs_nothing(signet, channel):
    for value in (nested(5000, in_list), nested(2000, in_struct)):  # each level is two and three messages deep
        message = field(1, GOOD.encode()) + field(4, field(1, field(1, b"CertSigner") + field(2, value)))
        assert len(message) < 64 * 1024
        assert call_raw(channel, message)
    message = field(1, GOOD.encode()) + field(4, field(1, field(1, b"x") + field(2, nested(10000, in_struct))))
    with pytest.raises(grpc.RpcError) as e:
        call_raw(channel, message)
    assert (e.value.code(), e.value.details()) == (Code.RESOURCE_EXHAUSTED, "grpc: message larger than the limit")
    assert call_raw(channel, encode_request(GOOD)), "and the daemon lives"


@pytest.mark.parametrize("message", [
    pytest.param(b"\xff", id="not_protobuf"),
    pytest.param(b"\x0a\x7f", id="length_past_the_end"),
    pytest.param(b"\x0a" + b"\xff" * 10, id="length_of_more_than_64_bits"),
    pytest.param(b"\x08\x01", id="csr_is_a_number"),
    pytest.param(field(1, b"\xff\xfe"), id="csr_is_not_utf8"),
    pytest.param(field(1, GOOD.encode()) + b"\x1a\x01\x01", id="validity_is_a_text"),
    pytest.param(field(1, GOOD.encode()) + b"\x0b\x0c", id="a_group"),
    pytest.param(field(1, GOOD.encode()) + field(4, b"\x0a\x01\xff"), id="metadata_is_cut"),
    pytest.param(b"", id="an_empty_message"),
])
def test_malformed_message_is_an_invalid_argument(channel, message):
    with pytest.raises(grpc.RpcError) as e:
        call_raw(channel, message)
    assert e.value.code() == Code.INVALID_ARGUMENT


def test_unknown_fields_are_skipped_and_field_2_is_one_of_them(channel):
    assert call_raw(channel, field(2, b"old") + encode_request(GOOD) + field(99, b"new") + varint(98 << 3) + varint(1 << 60))


@pytest.mark.parametrize("headers", [
    pytest.param([("clusterid", "Kubernetes")], id="once"),
    pytest.param([("clusterid", "a"), ("clusterid", "b")], id="twice"),
    pytest.param([("x-extra", "1"), ("clusterid", "")], id="empty"),
])
def test_cluster_header_does_not_matter_without_a_rule(signet, channel, headers):
    assert issue(signet, headers=headers, channel=channel)


# ---- gRPC and HTTP/2, frame by frame ----

@pytest.fixture
def raw(signet):
    with Raw(signet) as r:
        yield r


REQUEST = encode_request(GOOD)


@pytest.mark.parametrize("step", [1, 7, 100])
def test_message_may_be_cut_over_many_data_frames(raw, step):
    stream = raw.begin(TOKEN)
    raw.send(stream, frame(REQUEST), step=step)
    assert raw.wait(stream).status == 0


def test_answer_is_one_message_with_grpcs_headers_and_trailers(raw):
    answer = raw.call(REQUEST, TOKEN)
    assert answer.headers[":status"] == "200" and answer.headers["content-type"].startswith("application/grpc")
    assert answer.status == 0 and "grpc-status" in answer.trailers
    assert answer.data[0] == 0 and int.from_bytes(answer.data[1:5], "big") == len(answer.data) - 5


@pytest.mark.parametrize("body, code", [
    pytest.param(frame(REQUEST) + frame(REQUEST), 13, id="two_messages"),
    pytest.param(b"", 13, id="no_message"),
    pytest.param(frame(REQUEST)[:-1], 13, id="a_cut_message"),
    pytest.param(b"\0\0\0", 13, id="a_cut_prefix"),
    pytest.param(frame(REQUEST, compressed=1), 12, id="compressed"),
    pytest.param(frame(REQUEST, compressed=2), 13, id="an_unknown_flag"),
    pytest.param(b"\0\xff\xff\xff\xff", 8, id="4_gib_announced"),
])
def test_unary_call_with(raw, body, code):
    stream = raw.begin(TOKEN)
    raw.send(stream, body)
    assert raw.wait(stream).status == code
    assert raw.call(REQUEST, TOKEN).status == 0, "the connection goes on"


@pytest.mark.parametrize("replace, http, code", [
    pytest.param({"content-type": "application/json"}, "415", 3, id="content_type_json"),
    pytest.param({"content-type": None}, "415", 3, id="no_content_type"),
    pytest.param({"content-type": "application/grpc-web"}, "415", 3, id="grpc_web"),
    pytest.param({":method": "GET"}, "405", 13, id="get"),
    pytest.param({":method": "PUT"}, "405", 13, id="put"),
    pytest.param({"grpc-timeout": "soon"}, "400", 13, id="malformed_timeout"),
    pytest.param({"grpc-timeout": "999999999S"}, "400", 13, id="timeout_of_nine_digits"),
])
def test_headers_that_are_no_grpc_call(raw, replace, http, code):
    answer = raw.call(REQUEST, TOKEN, replace=replace)
    assert answer.headers[":status"] == http and answer.status == code


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])
def test_content_types_of_grpc(raw, content_type):
    assert raw.call(REQUEST, TOKEN, replace={"content-type": content_type}).status == 0


@pytest.mark.parametrize("path", ["/", "/istio.v1.auth.IstioCertificateService/GetRoots", PATH + "/", PATH.lower(), "/x/y"])
def test_unknown_method_is_unimplemented(raw, path):
    answer = raw.call(REQUEST, TOKEN, path=path)
    assert answer.headers[":status"] == "200" and answer.status == 12


def test_cancelled_stream_is_forgotten(raw):
    for cut in (0, 5, 100):
        stream = raw.begin(TOKEN)
        raw.send(stream, frame(REQUEST)[:cut], end=False)
        raw.h2.reset_stream(stream, 8)
        raw.flush()
    assert raw.call(REQUEST, TOKEN).status == 0


def test_call_cancelled_while_it_waits_leaves_its_record_and_the_daemon_serves_on(signet, raw):
    before = len(signet.records())
    for _ in range(20):
        stream = raw.begin(TOKEN)
        raw.h2.send_data(stream, frame(REQUEST), end_stream=True)
        raw.h2.reset_stream(stream, 8)
        raw.flush()
    assert raw.call(REQUEST, TOKEN).status == 0
    assert before < len(signet.records()) <= before + 21
    assert signet.metric("signet_requests_pending") == 0


def test_deadline_while_the_message_is_on_its_way(raw):
    stream = raw.begin(TOKEN, extra=[("grpc-timeout", "100m")])
    started = time.monotonic()
    raw.send(stream, frame(REQUEST)[:50], end=False)
    assert raw.wait(stream).status == 4
    assert 0.09 <= time.monotonic() - started < 5
    assert raw.call(REQUEST, TOKEN, extra=[("grpc-timeout", "10S")]).status == 0


def test_ping_is_answered_between_and_within_calls(raw):
    assert raw.ping()
    stream = raw.begin(TOKEN)
    assert raw.ping()
    raw.send(stream, frame(REQUEST))
    assert raw.wait(stream).status == 0
    for _ in range(50):
        assert raw.ping(), "pings are not held against a client"
    assert raw.goaways == []


def test_many_streams_at_once_each_get_their_answer(raw):
    streams = [raw.begin(TOKEN) for _ in range(100)]
    for s in streams:
        raw.send(s, frame(REQUEST))
    assert [raw.wait(s).status for s in streams] == [0] * 100


def test_http_1_is_not_spoken(signet):
    import ssl
    context = ssl.create_default_context(cadata=signet.roots())
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with Raw(signet, alpn=("http/1.1",), context=context) as r:
            assert r.call(REQUEST, TOKEN).status == 0
            raise AssertionError("answered")


# ---- health and reflection ----

def test_health_check_knows_the_whole_server_and_the_service(channel):
    for service in (b"", b"istio.v1.auth.IstioCertificateService"):
        assert call_raw(channel, field(1, service) if service else b"", "/grpc.health.v1.Health/Check") == b"\x08\x01"
    with pytest.raises(grpc.RpcError) as e:
        call_raw(channel, field(1, b"nobody"), "/grpc.health.v1.Health/Check")
    assert e.value.code() == Code.NOT_FOUND


def test_health_watch_tells_at_once_and_unknown_services_too(channel):
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch", request_serializer=lambda b: b, response_deserializer=lambda b: b)
    for service, status in ((b"", b"\x08\x01"), (field(1, b"nobody"), b"\x08\x03")):
        stream = watch(service, timeout=10)
        assert next(stream) == status
        stream.cancel()


def reflect(channel, version, *requests):
    call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                 request_serializer=lambda b: b, response_deserializer=lambda b: b)
    return [fields(r) for r in call(iter(requests), timeout=10)]


def fields(data):
    """{number: [bytes or int]} of one message."""
    out, i = {}, 0

    def number():
        nonlocal i
        n = shift = 0
        while True:
            b = data[i]
            i, n, shift = i + 1, n | (b & 0x7F) << shift, shift + 7
            if b < 0x80:
                return n

    while i < len(data):
        tag = number()
        if tag & 7 == 2:
            size = number()
            value, i = data[i:i + size], i + size
        else:
            value = number()
        out.setdefault(tag >> 3, []).append(value)
    return out


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_services_and_gives_their_files(channel, version):
    listed, by_symbol, unknown = reflect(channel, version, field(7, b"*"), field(4, b"istio.v1.auth.IstioCertificateService"),
                                         field(3, b"nothing.proto"))
    names = {fields(s)[1][0].decode() for s in fields(listed[6][0])[1]}
    assert {"istio.v1.auth.IstioCertificateService", "grpc.health.v1.Health"} <= names
    files = [descriptor_pb2.FileDescriptorProto.FromString(f) for f in fields(by_symbol[4][0])[1]]
    method = next(f for f in files if f.service).service[0].method[0]
    assert (method.name, method.input_type) == ("CreateCertificate", ".istio.v1.auth.IstioCertificateRequest")
    assert fields(unknown[7][0])[1] == [5], "NOT_FOUND"


# ---- the end ----

def test_stop_says_goaway_answers_the_call_in_flight_and_changes_health():
    s = Signet(CONFIG)
    CLUSTER.write(s.dir)
    with s, Raw(s) as raw, Raw(s) as watcher:
        assert raw.call(REQUEST, TOKEN).status == 0
        watch = watcher.begin(path="/grpc.health.v1.Health/Watch")
        watcher.send(watch, frame(b""))
        assert watcher.pump(lambda: watcher.answers[watch].data == frame(b"\x08\x01"))
        stream = raw.begin(TOKEN)
        raw.send(stream, frame(REQUEST)[:20], end=False)
        s.process.send_signal(signal.SIGTERM)
        assert raw.pump(lambda: raw.goaways), "GOAWAY"
        assert raw.goaways[0] == 0
        assert watcher.pump(lambda: frame(b"\x08\x02") in watcher.answers[watch].data), "NOT_SERVING"
        watcher.socket.close()
        raw.send(stream, frame(REQUEST)[20:])
        assert raw.wait(stream).status == 0
        assert s.stop() == 0
