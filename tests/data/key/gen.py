#!/usr/bin/python3
"""Makes vectors.txt: signatures and keys, good and bad in the ways that Wycheproof has taught.

One case a line:  name|scheme|expect|spki|message|signature  (hex)
expect: ok; sig (key_verify refuses); point (key_info_parse takes it, key_check and key_verify refuse it); spki
(key_info_parse refuses).  scheme: a name of tests/unit/key/test_verify.c, or - if the case is about the key only.

Private keys are made, used and forgotten here: running it again gives other bytes and the same expectations.
    /usr/bin/python3 tests/data/key/gen.py > tests/data/key/vectors.txt
"""
import hashlib
import os

from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, ed448, padding, rsa, utils, x25519

MSG = b"the message that was signed"
OTHER = b"the message that was singed"
DER, SPKI = ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo


def out(name, scheme, expect, spki, msg=b"", sig=b""):
    print("|".join((name, scheme, expect, spki.hex(), msg.hex(), sig.hex())))


# ---- DER by hand, so that it can be got wrong ----
def length(n):
    if n < 128:
        return bytes([n])
    b = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(b)]) + b


def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes([tag]) + length(len(body)) + body


def integer(v):
    if v < 0:
        n = (v.bit_length() + 8) // 8
        return tlv(2, v.to_bytes(n, "big", signed=True))
    return tlv(2, v.to_bytes(v.bit_length() // 8 + 1, "big"))


def seq(*parts):
    return tlv(0x30, *parts)


def bits(b, unused=0):
    return tlv(3, bytes([unused]), b)


def oid(text):
    a = [int(x) for x in text.split(".")]
    b = bytes([a[0] * 40 + a[1]])
    for v in a[2:]:
        enc = [v & 127]
        while v > 127:
            v >>= 7
            enc.insert(0, 128 | (v & 127))
        b += bytes(enc)
    return tlv(6, b)


NULL = tlv(5)
EC_KEY, P256, P384, P521 = oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7"), oid("1.3.132.0.34"), oid("1.3.132.0.35")
RSA_KEY, PSS_KEY = oid("1.2.840.113549.1.1.1"), oid("1.2.840.113549.1.1.10")
PARAMS = {
    "P256": (2**256 - 2**224 + 2**192 + 2**96 - 1, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "P384": (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "P521": (
        2**521 - 1,
        2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
    ),
}
CURVES = {"P256": (ec.SECP256R1(), P256, 32), "P384": (ec.SECP384R1(), P384, 48), "P521": (ec.SECP521R1(), P521, 66)}
HASHES = {"SHA1": hashes.SHA1(), "SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
USUAL = {"P256": "SHA256", "P384": "SHA384", "P521": "SHA512"}


def ec_spki(curve_oid, point, unused=0):
    return seq(seq(EC_KEY, curve_oid), bits(point, unused))


def ec_cases(curve):
    c, curve_oid, size = CURVES[curve]
    p, n = PARAMS[curve]
    h = HASHES[USUAL[curve]]
    scheme = f"ECDSA_{curve}_{USUAL[curve]}"
    while True:  # one whose r and s are of full size, so that the names below tell the truth
        key, other = ec.generate_private_key(c), ec.generate_private_key(c)
        sig = key.sign(MSG, ec.ECDSA(h))
        r, s = utils.decode_dss_signature(sig)
        if min(r, s).bit_length() > 8 * size - 16 and r + s > n and s.bit_length() % 8 != 0:
            break
    spki = key.public_key().public_bytes(DER, SPKI)
    assert sig == seq(integer(r), integer(s))

    def case(name, value, expect="sig", msg=MSG, k=spki, sch=scheme):
        out(f"{curve.lower()}_{name}", sch, expect, k, msg, value)

    case("good", sig, "ok")
    for hn in ("SHA256", "SHA384", "SHA512"):
        if curve != "P521":
            case(f"good_{hn.lower()}", key.sign(MSG, ec.ECDSA(HASHES[hn])), "ok", sch=f"ECDSA_{curve}_{hn}")
    case("good_other_s", seq(integer(r), integer(n - s)), "ok")  # ECDSA is malleable by definition
    case("good_empty_message", key.sign(b"", ec.ECDSA(h)), "ok", msg=b"")
    case("other_message", sig, msg=OTHER)
    case("other_key", sig, k=other.public_key().public_bytes(DER, SPKI))
    for hn, hv in HASHES.items():
        if hn != USUAL[curve]:
            case(f"hash_is_{hn.lower()}", key.sign(MSG, ec.ECDSA(hv)))
    case("empty", b"")
    for name, a, b in (
        ("r_zero", 0, s), ("s_zero", r, 0), ("both_zero", 0, 0), ("r_is_n", n, s), ("s_is_n", r, n), ("r_zero_s_n", 0, n),
        ("r_plus_n", r + n, s), ("s_plus_n", r, s + n), ("r_is_p", p, s), ("r_above_n", n + 1, s), ("s_above_n", r, n + 1),
        ("r_negative", -r, s), ("s_negative", r, -s), ("r_minus_one", -1, s), ("swapped", s, r), ("both_one", 1, 1),
        ("r_one", 1, s), ("s_one", r, 1), ("r_all_ones", 2 ** (8 * size) - 1, s), ("s_n_minus_1", r, n - 1),
        ("r_minus_n", r - n, s), ("s_minus_n", r, s - n), ("r_huge", r + 2 ** (8 * size), s), ("r_long", r << 800, s),
    ):
        case(name, seq(integer(a), integer(b)))
    ri, si = integer(r), integer(s)
    body = ri + si
    unsigned_s = tlv(2, s.to_bytes(size, "big"))
    for name, value in (
        ("trailing_byte", sig + b"\0"), ("trailing_null", sig + NULL), ("trailing_inside", seq(ri, si, NULL)),
        ("third_integer", seq(ri, si, integer(1))), ("only_r", seq(ri)), ("no_integers", seq()), ("set", tlv(0x31, body)),
        ("long_length", bytes([0x30, 0x81, len(body)]) + body if len(body) < 128 else bytes([0x30, 0x82, 0, len(body)]) + body),
        ("longer_length", bytes([0x30, 0x84, 0, 0, 0, len(body)]) + body),
        ("indefinite_length", b"\x30\x80" + body + b"\0\0"),
        ("indefinite_no_end", b"\x30\x80" + body),
        ("r_long_length", seq(bytes([2, 0x81]) + ri[1:], si)), ("s_long_length", seq(ri, bytes([2, 0x81]) + si[1:])),
        ("r_leading_zero", seq(tlv(2, b"\0" + ri[2:]), si)), ("s_leading_zero", seq(ri, tlv(2, b"\0" + si[2:]))),
        ("r_leading_zeros", seq(tlv(2, b"\0" * 8 + ri[2:]), si)), ("r_empty", seq(tlv(2), si)), ("s_empty", seq(ri, tlv(2))),
        ("r_octet_string", seq(tlv(4, ri[2:]), si)), ("r_null", seq(NULL, si)), ("r_context", seq(tlv(0x82, ri[2:]), si)),
        ("r_constructed", seq(tlv(0x22, ri), si)), ("cut_last", sig[:-1]), ("cut_half", sig[: len(sig) // 2]),
        ("one_byte", b"\x30"), ("raw_r_s", r.to_bytes(size, "big") + s.to_bytes(size, "big")), ("in_octet_string", tlv(4, sig)),
        ("twice", seq(sig)), ("length_too_long", bytes([sig[0]]) + length(len(body) + 1) + body),
        ("length_too_short", bytes([sig[0]]) + length(len(body) - 1) + body), ("zeros", bytes(len(sig))),
        ("high_tag", b"\x3f\x10" + length(len(body)) + body), ("prepended", b"\0" + sig),
    ):
        case(name, value)
    if s >> (8 * size - 1) & 1:
        case("s_without_sign_octet", seq(ri, unsigned_s))
    for i in (4, len(sig) // 2, len(sig) - 1):
        case(f"flipped_{i}", sig[:i] + bytes([sig[i] ^ 1]) + sig[i + 1 :])
    # the scheme is another key's
    wrong = {"P256": "ECDSA_P384_SHA384", "P384": "ECDSA_P256_SHA256", "P521": "ECDSA_P256_SHA256"}[curve]
    case("scheme_of_other_curve", sig, sch=wrong)
    for sch in ("ED25519", "RSA_PKCS1_SHA256", "RSA_PSS_SHA256", "NONE", "BEYOND"):
        case(f"scheme_{sch.lower()}", sig, sch=sch)
    ec_key_cases(curve, key.public_key().public_numbers(), sig, scheme)


def ec_key_cases(curve, pub, sig, scheme):
    _, curve_oid, size = CURVES[curve]
    p, n = PARAMS[curve]

    def point(x, y, form=4):
        return bytes([form]) + x.to_bytes(size, "big") + y.to_bytes(size, "big")

    def case(name, spki, expect="spki"):
        out(f"{curve.lower()}_key_{name}", scheme, expect, spki, MSG, sig)

    x, y = pub.x, pub.y
    good = point(x, y)
    case("negated", ec_spki(curve_oid, point(x, p - y)), "sig")  # on the curve, another key
    for name, px, py in (("off_curve", x, y ^ 1), ("zero_zero", 0, 0), ("zero_one", 0, 1), ("x_is_p", p, y), ("y_is_p", x, p),
                         ("all_ones", 2 ** (8 * size) - 1, 2 ** (8 * size) - 1), ("swapped", y, x), ("y_zero", x, 0)):
        case(name, ec_spki(curve_oid, point(px, py)), "point")
    if x + p < 2 ** (8 * size):
        case("x_plus_p", ec_spki(curve_oid, point(x + p, y)), "point")
    case("infinity", ec_spki(curve_oid, b"\0"))
    case("infinity_padded", ec_spki(curve_oid, bytes(2 * size + 1)))
    case("compressed", ec_spki(curve_oid, bytes([2 + (y & 1)]) + x.to_bytes(size, "big")))
    case("hybrid", ec_spki(curve_oid, point(x, y, 6 + (y & 1))))
    case("hybrid_wrong", ec_spki(curve_oid, point(x, y, 7 - (y & 1))))
    for form in (0, 1, 2, 3, 5, 8, 0x84):
        case(f"form_{form}", ec_spki(curve_oid, point(x, y, form)))
    case("no_point", ec_spki(curve_oid, b""))
    case("short", ec_spki(curve_oid, good[:-1]))
    case("long", ec_spki(curve_oid, good + b"\0"))
    case("unused_bits", ec_spki(curve_oid, good, 1))
    case("unused_bits_8", ec_spki(curve_oid, good, 8))
    spki = ec_spki(curve_oid, good)
    case("trailing", spki + b"\0")
    case("trailing_inside", seq(seq(EC_KEY, curve_oid), bits(good), NULL))
    case("cut", spki[:-1])
    case("empty", b"")
    case("params_null", ec_spki(NULL, good))
    case("params_absent", seq(seq(EC_KEY), bits(good)))
    case("params_twice", seq(seq(EC_KEY, curve_oid, NULL), bits(good)))
    case("octet_string", seq(seq(EC_KEY, curve_oid), tlv(4, b"\0" + good)))
    case("no_key", seq(seq(EC_KEY, curve_oid)))
    case("indefinite", b"\x30\x80" + spki[2 if spki[1] < 128 else 3 :] + b"\0\0")
    case("id_ecdh", seq(seq(oid("1.3.132.1.12"), curve_oid), bits(good)))
    for name, o in (("other_curve", P384 if curve != "P384" else P256), ("secp256k1", oid("1.3.132.0.10")),
                    ("brainpool", oid("1.3.36.3.3.2.8.1.1.7")), ("secp224r1", oid("1.3.132.0.33"))):
        case(name, ec_spki(o, good))
    # The curve given by its numbers, with the generator replaced (CVE-2020-0601's shape).
    explicit = seq(integer(1), seq(oid("1.2.840.10045.1.1"), integer(p)), seq(tlv(4, bytes(size)), tlv(4, bytes(size))),
                   tlv(4, good), integer(n), integer(1))
    case("explicit_curve", seq(seq(EC_KEY, explicit), bits(good)))


def ed25519_cases():
    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    spki, sig = key.public_key().public_bytes(DER, SPKI), key.sign(MSG)
    raw = spki[12:]
    order = 2**252 + 27742317777372353535851937790883648493
    p = 2**255 - 19
    r, s = sig[:32], int.from_bytes(sig[32:], "little")

    def case(name, value, expect="sig", msg=MSG, k=spki, sch="ED25519"):
        out(f"ed25519_{name}", sch, expect, k, msg, value)

    def le(v):
        return v.to_bytes(32, "little")

    case("good", sig, "ok")
    case("good_empty_message", key.sign(b""), "ok", msg=b"")
    case("other_message", sig, msg=OTHER)
    case("other_key", sig, k=other.public_key().public_bytes(DER, SPKI))
    case("s_plus_order", r + le(s + order))
    case("s_is_order", r + le(order))
    case("s_zero", r + le(0))
    case("s_all_ones", r + b"\xff" * 32)
    case("s_plus_8_orders", r + le(s + 8 * order))
    case("s_high_bit", r + le(s | 1 << 255))
    case("r_zero", bytes(32) + sig[32:])
    case("r_not_canonical", le(p + 1) + sig[32:])
    case("zeros", bytes(64))
    case("empty", b"")
    case("short", sig[:-1])
    case("long", sig + b"\0")
    case("half", sig[:32])
    case("twice", sig + sig)
    case("der", seq(integer(int.from_bytes(r, "big")), integer(s)))
    case("reversed", sig[::-1])
    for i in (0, 31, 32, 63):
        case(f"flipped_{i}", sig[:i] + bytes([sig[i] ^ 1]) + sig[i + 1 :])
    for sch in ("ECDSA_P256_SHA256", "RSA_PKCS1_SHA512", "NONE", "BEYOND"):
        case(f"scheme_{sch.lower()}", sig, sch=sch)

    def key_case(name, k, expect="spki", value=sig):
        case(f"key_{name}", value, expect, k=k)

    def pub(b):
        return seq(seq(oid("1.3.101.112")), bits(b))

    y8 = [2707385501144840649318225287225658788936804267575313519463743609750303402022,
          55188659117513257062467267217118295137698188065244968500265048394206261417927]
    # With a key of order 1 and s = 0, R = identity, "every" message verifies: must never be taken for a key.
    forged = le(1) + le(0)
    for i, y in enumerate([0, 1, p - 1, p, p + 1] + y8):
        for sign in (0, 1):
            key_case(f"small_order_{i}_{sign}", pub(le(y | sign << 255)), value=forged)
    for d in range(2, 19):
        key_case(f"not_canonical_{d}", pub(le(p + d)))
    key_case("params_null", seq(seq(oid("1.3.101.112"), NULL), bits(raw)))
    key_case("short", pub(raw[:-1]))
    key_case("long", pub(raw + b"\0"))
    key_case("unused_bits", seq(seq(oid("1.3.101.112")), bits(raw, 1)))
    key_case("trailing", spki + b"\0")
    key_case("x25519", x25519.X25519PrivateKey.generate().public_key().public_bytes(DER, SPKI))
    key_case("ed448", ed448.Ed448PrivateKey.generate().public_key().public_bytes(DER, SPKI))
    key_case("dsa", dsa.generate_private_key(1024).public_key().public_bytes(DER, SPKI))


# ---- RSA, with the padding made by hand ----
DIGEST = {"SHA1": (hashlib.sha1, "1.3.14.3.2.26"), "SHA256": (hashlib.sha256, "2.16.840.1.101.3.4.2.1"),
          "SHA384": (hashlib.sha384, "2.16.840.1.101.3.4.2.2"), "SHA512": (hashlib.sha512, "2.16.840.1.101.3.4.2.3")}


def digest_info(h, msg=MSG, null=NULL, tail=b""):
    f, o = DIGEST[h]
    return seq(seq(oid(o), null), tlv(4, f(msg).digest()), tail)


def pkcs1_em(k, info, kind=1, fill=b"\xff", lead=0, zero=b"\0"):
    return bytes([lead, kind]) + fill * (k - 2 - len(zero) - len(info)) + zero + info


def mgf1(seed, n, h):
    f = DIGEST[h][0]
    return b"".join(f(seed + i.to_bytes(4, "big")).digest() for i in range(n // f().digest_size + 1))[:n]


def pss_em(k, h, mgf=None, salt_len=None, trailer=0xBC, lead_pad=b"", one=1, top=0):
    f = DIGEST[h][0]
    hl = f().digest_size
    salt = os.urandom(hl if salt_len is None else salt_len)
    hh = f(bytes(8) + f(MSG).digest() + salt).digest()
    db = bytes(k - len(salt) - hl - 2) + bytes([one]) + salt
    if lead_pad:
        db = lead_pad + db[len(lead_pad) :]
    m = mgf1(hh, len(db), mgf or h)
    masked = bytearray(a ^ b for a, b in zip(db, m))
    masked[0] = masked[0] & 0x7F | top
    return bytes(masked) + hh + bytes([trailer])


def rsa_cases(size, full):
    key, other = rsa.generate_private_key(65537, size), rsa.generate_private_key(65537, size)
    num = key.private_numbers()
    n, d, k = num.public_numbers.n, num.d, size // 8
    spki = key.public_key().public_bytes(DER, SPKI)

    def raw(em):
        return pow(int.from_bytes(em, "big"), d, n).to_bytes(k, "big")

    def case(name, value, sch, expect="sig", msg=MSG, kk=spki):
        out(f"rsa{size}_{name}", sch, expect, kk, msg, value)

    for h in ("SHA256", "SHA384", "SHA512"):
        case(f"good_pkcs1_{h.lower()}", key.sign(MSG, padding.PKCS1v15(), HASHES[h]), f"RSA_PKCS1_{h}", "ok")
        pss = padding.PSS(padding.MGF1(HASHES[h]), HASHES[h].digest_size)
        case(f"good_pss_{h.lower()}", key.sign(MSG, pss, HASHES[h]), f"RSA_PSS_{h}", "ok")
    if not full:
        return
    sch = "RSA_PKCS1_SHA256"
    info = digest_info("SHA256")
    sig = raw(pkcs1_em(k, info))
    case("pkcs1_by_hand", sig, sch, "ok")
    case("pkcs1_other_message", sig, sch, msg=OTHER)
    case("pkcs1_other_key", sig, sch, kk=other.public_key().public_bytes(DER, SPKI))
    for i in (0, k // 2, k - 1):
        case(f"pkcs1_flipped_{i}", sig[:i] + bytes([sig[i] ^ 1]) + sig[i + 1 :], sch)
    for name, value in (
        ("missing_null", raw(pkcs1_em(k, digest_info("SHA256", null=b"")))),
        ("null_with_content", raw(pkcs1_em(k, digest_info("SHA256", null=b"\x05\x01\x00")))),
        ("other_hash_sha1", raw(pkcs1_em(k, digest_info("SHA1")))),
        ("other_hash_sha512", raw(pkcs1_em(k, digest_info("SHA512")))),
        ("no_digest_info", raw(pkcs1_em(k, hashlib.sha256(MSG).digest()))),
        ("block_type_0", raw(pkcs1_em(k, info, kind=0, fill=b"\0"))),
        ("block_type_2", raw(pkcs1_em(k, info, kind=2))),
        ("fill_fe", raw(pkcs1_em(k, info, fill=b"\xfe"))),
        ("fill_zero", raw(pkcs1_em(k, info, fill=b"\0"))),
        ("one_fill_wrong", raw(pkcs1_em(k, info)[:20] + b"\xfe" + pkcs1_em(k, info)[21:])),
        ("no_zero", raw(pkcs1_em(k, info, zero=b"\xff"))),
        ("lead_byte_1", raw(pkcs1_em(k, info, lead=1)) if int.from_bytes(pkcs1_em(k, info, lead=1), "big") < n else bytes(k)),
        # Bleichenbacher 2006: short fill, garbage behind
        ("short_fill", raw(b"\0\1" + b"\xff" * 8 + b"\0" + info + os.urandom(k - 11 - len(info)))),
        ("garbage_after_hash", raw(pkcs1_em(k, info + b"\0"))),
        ("garbage_in_info", raw(pkcs1_em(k, digest_info("SHA256", tail=NULL)))),
        ("info_long_length", raw(pkcs1_em(k, b"\x30\x81" + info[1:]))),
        ("info_indefinite", raw(pkcs1_em(k, b"\x30\x80" + info[2:] + b"\0\0"))),
        ("hash_cut", raw(pkcs1_em(k, seq(seq(oid(DIGEST["SHA256"][1]), NULL), tlv(4, hashlib.sha256(MSG).digest()[:-1]))))),
        ("zeros", bytes(k)), ("one", (1).to_bytes(k, "big")), ("is_n", n.to_bytes(k, "big")),
        ("n_minus_1", (n - 1).to_bytes(k, "big")), ("all_ones", b"\xff" * k), ("empty", b""), ("short", sig[:-1]),
        ("long", sig + b"\0"), ("leading_zero", b"\0" + sig), ("unsigned_message", pkcs1_em(k, info)),
        ("pss_signature", raw(pss_em(k, "SHA256"))),
    ):
        case(f"pkcs1_{name}", value, sch)
    msg, s = MSG, n  # s + n has the same residue; it must be below n
    while s + n >= 256**k:
        msg += b"."
        s = int.from_bytes(raw(pkcs1_em(k, digest_info("SHA256", msg))), "big")
    case("pkcs1_below_n", s.to_bytes(k, "big"), sch, "ok", msg=msg)
    case("pkcs1_plus_n", (s + n).to_bytes(k, "big"), sch, msg=msg)
    for s2 in ("RSA_PKCS1_SHA384", "RSA_PSS_SHA256", "ECDSA_P256_SHA256", "ED25519", "NONE", "BEYOND"):
        case(f"pkcs1_scheme_{s2.lower()}", sig, s2)
    for h in ("SHA256", "SHA384", "SHA512"):
        hl = DIGEST[h][0]().digest_size
        sch = f"RSA_PSS_{h}"
        case(f"pss_{h}_by_hand", raw(pss_em(k, h)), sch, "ok")
        for name, em in (
            ("salt_0", pss_em(k, h, salt_len=0)), ("salt_20", pss_em(k, h, salt_len=20)),
            ("salt_minus_1", pss_em(k, h, salt_len=hl - 1)), ("salt_plus_1", pss_em(k, h, salt_len=hl + 1)),
            ("salt_max", pss_em(k, h, salt_len=k - hl - 2)), ("mgf_sha1", pss_em(k, h, mgf="SHA1")),
            ("mgf_other", pss_em(k, h, mgf="SHA512" if h != "SHA512" else "SHA256")), ("trailer", pss_em(k, h, trailer=0xCC)),
            ("padding_not_zero", pss_em(k, h, lead_pad=b"\0\1")), ("no_one", pss_em(k, h, one=2)),
            ("other_hash", pss_em(k, "SHA1")), ("pkcs1_padding", pkcs1_em(k, digest_info(h))),
        ):
            case(f"pss_{h}_{name}", raw(em), sch)
        em = pss_em(k, h, top=0x80)
        case(f"pss_{h}_top_bit", raw(em) if int.from_bytes(em, "big") < n else bytes(k), sch)
        good = raw(pss_em(k, h))
        case(f"pss_{h}_other_message", good, sch, msg=OTHER)
        case(f"pss_{h}_short", good[1:], sch)
        case(f"pss_{h}_long", good + b"\0", sch)
    rsa_key_cases(n)


def rsa_key_cases(n):
    def spki(mod, e, alg=None, tail=b""):
        return seq(seq(RSA_KEY, NULL) if alg is None else alg, bits(seq(integer(mod), integer(e), tail)))

    def case(name, k, expect="spki"):
        out(f"rsa_key_{name}", "-", expect, k)

    def odd(nbits):
        return int.from_bytes(os.urandom(nbits // 8), "big") % 2 ** (nbits - 2) | 1 << (nbits - 1) | 1

    case("2048", spki(n, 65537), "ok")
    case("8192", spki(odd(8192), 65537), "ok")
    case("e_64_bits", spki(n, 2**64 - 1), "ok")
    for name, e in (("0", 0), ("1", 1), ("2", 2), ("3", 3), ("17", 17), ("65535", 65535), ("65536", 65536), ("65538", 65538),
                    ("2_64", 2**64), ("2_64_plus_1", 2**64 + 1), ("negative", -65537), ("as_big_as_n", n)):
        case(f"e_{name}", spki(n, e))
    for b in (512, 1024, 2040, 8200, 16384):
        case(f"{b}", spki(odd(b), 65537))
    case("2047", spki(odd(2048) >> 1 | 1, 65537))
    case("even", spki(n - 1, 65537))
    case("zero", spki(0, 65537))
    case("negative", spki(-n, 65537))
    case("leading_zero", seq(seq(RSA_KEY, NULL), bits(seq(tlv(2, b"\0" + integer(n)[4:]), integer(65537)))))
    case("no_sign_octet", seq(seq(RSA_KEY, NULL), bits(seq(tlv(2, n.to_bytes(256, "big")), integer(65537)))))
    case("params_absent", spki(n, 65537, seq(RSA_KEY)))
    case("params_null_twice", spki(n, 65537, seq(RSA_KEY, NULL, NULL)))
    case("params_oid", spki(n, 65537, seq(RSA_KEY, P256)))
    case("params_null_content", spki(n, 65537, seq(RSA_KEY, b"\x05\x01\x00")))
    case("pss_oid", spki(n, 65537, seq(PSS_KEY)))
    case("pss_oid_null", spki(n, 65537, seq(PSS_KEY, NULL)))
    case("ec_oid", spki(n, 65537, seq(EC_KEY, P256)))
    case("third_number", spki(n, 65537, tail=integer(3)))
    case("no_exponent", seq(seq(RSA_KEY, NULL), bits(seq(integer(n)))))
    case("unused_bits", seq(seq(RSA_KEY, NULL), bits(seq(integer(n), integer(65537)), 1)))
    case("trailing_in_bits", seq(seq(RSA_KEY, NULL), bits(seq(integer(n), integer(65537)) + NULL)))
    case("trailing_in_spki", seq(seq(RSA_KEY, NULL), bits(seq(integer(n), integer(65537))), NULL))
    case("trailing", spki(n, 65537) + b"\0")
    case("cut", spki(n, 65537)[:-1])
    case("one_byte", b"\x30")


def main():
    for curve in CURVES:
        ec_cases(curve)
    ed25519_cases()
    rsa_cases(2048, True)
    rsa_cases(3072, False)
    rsa_cases(4096, False)


main()
