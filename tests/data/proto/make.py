#!/usr/bin/python3
"""Requests as Google's own protobuf writes them, with the real google.protobuf.Struct: tests/data/proto/*.bin, also the seeds
of fuzz_istio_request and fuzz_json.  Run from the root of the tree; the output is checked in."""
import pathlib
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2  # noqa: F401

f = descriptor_pb2.FileDescriptorProto(name="ca.proto", package="istio.v1.auth", syntax="proto3",
                                       dependency=["google/protobuf/struct.proto"])
m = f.message_type.add(name="IstioCertificateRequest")
T = descriptor_pb2.FieldDescriptorProto
m.field.add(name="csr", number=1, type=T.TYPE_STRING, label=T.LABEL_OPTIONAL)
m.field.add(name="validity_duration", number=3, type=T.TYPE_INT64, label=T.LABEL_OPTIONAL)
m.field.add(name="metadata", number=4, type=T.TYPE_MESSAGE, type_name=".google.protobuf.Struct", label=T.LABEL_OPTIONAL)
pool = descriptor_pool.Default()
pool.Add(f)
Request = message_factory.MessageFactory(pool).GetPrototype(
    pool.FindMessageTypeByName("istio.v1.auth.IstioCertificateRequest"))

PEM = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"


def request(csr=PEM, seconds=86400, **metadata):
    r = Request(csr=csr, validity_duration=seconds)
    r.metadata.update(metadata)
    return r.SerializeToString(deterministic=True)


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def nested(levels):
    """A Struct in a Struct in a Struct ...: one entry "" -> Value{struct_value}."""
    s = b""
    for _ in range(levels):
        s = field(1, field(2, field(5, s)))
    return s


vectors = {
    "pilot-agent": request(CertSigner=""),
    "ztunnel": request(ImpersonatedIdentity="spiffe://cluster.local/ns/a/sa/b"),
    "both": request(CertSigner="signet.example/mesh", ImpersonatedIdentity="spiffe://td/ns/x/sa/y", WorkloadName="w"),
    "kinds": request(CertSigner=7.5, ImpersonatedIdentity=["spiffe://td/ns/x/sa/y"], a=True, b=None, c={"d": {"e": "f"}}),
    "struct": request(CertSigner={"CertSigner": "inner"}, ImpersonatedIdentity=True),
    "unicode": request(CertSigner="gr\u00fc\u00df \U0001f511"),
    "negative": request(seconds=-1),
    "largest": request(seconds=2**63 - 1),
    "no-metadata": Request(csr=PEM).SerializeToString(),
    "nested-1000": request() + field(4, nested(1000)),
}
data = pathlib.Path("tests/data")
for name, value in vectors.items():
    (data / "proto" / f"{name}.bin").write_bytes(value)
seeds = {
    **{k: v for k, v in vectors.items() if k != "nested-1000"},
    "twice": request(CertSigner="a") + request(csr="B", seconds=5, CertSigner="b"),
    "string-then-bool": field(4, field(1, field(1, b"CertSigner") + field(2, field(3, b"x") + b"\x20\x01"))),
    "bool-then-string": field(4, field(1, field(1, b"CertSigner") + field(2, b"\x20\x01" + field(3, b"x")))),
    "value-twice": field(4, field(1, field(1, b"CertSigner") + field(2, field(3, b"x")) + field(2, b""))),
    "unknown": request() + b"\x10\x01\x29abcdefgh\x35abcd" + field(15, b"z"),
    "group": request() + b"\x2b\x2c",
    "truncated": request()[:-1],
}
for name, value in seeds.items():
    (data / "fuzz/istio_request" / name).write_bytes(value)
json_seeds = [
    '{"alg":"ES256","kid":"k","typ":"JWT"}', '{"iss":"i","aud":["a","b"],"exp":1790000000.5,"nbf":-1,"iat":1e9}',
    '{"a":1,"a":2}', '{"a":"\\u0000"}', '{"a":' + "[" * 15 + "]" * 15 + "}", '{"a":' + "[" * 16 + "]" * 16 + "}",
    '{"a\\\\":"\\"[[[","b":{"c":[null,true,false,-0.0,9007199254740992]}}', "[]", '{"a":"\\ud83d\\ude00"}', '{"a":"\\ud83d"}',
    '{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","use":"sig"}]}', "{} x",
]
for i, text in enumerate(json_seeds):
    (data / "fuzz/json" / f"{i:02}").write_text(text)
