"""Writes small MaxMind DB files (format 2.0, as MaxMind publishes its specification), for tests.

  path.write_bytes(mmdb({"192.0.2.0/24": {"country": {"iso_code": "DE"}}}))
"""
import ipaddress
import struct

MAX_DIRECT, METADATA = 29, b"\xab\xcd\xefMaxMind.com"


def control(kind: int, size: int) -> bytes:
    """Type and size of a value; sizes that do not fit five bits follow, and so do types beyond 7."""
    extra = b""
    if size < MAX_DIRECT:
        low = size
    elif size < MAX_DIRECT + 256:
        low, extra = 29, bytes([size - 29])
    elif size < 65821:
        low, extra = 30, struct.pack(">H", size - 285)
    else:
        low, extra = 31, struct.pack(">I", size - 65821)[1:]
    if kind <= 7:
        return bytes([kind << 5 | low]) + extra
    return bytes([low, kind - 7]) + extra


class Uint:
    """An unsigned number of a given type: 5 is uint16, 6 uint32, 9 uint64."""

    def __init__(self, kind: int, value: int):
        self.kind, self.value = kind, value


def encode(value) -> bytes:
    if isinstance(value, str):
        text = value.encode()
        return control(2, len(text)) + text
    if isinstance(value, bool):
        return control(14, int(value))
    if isinstance(value, float):
        return control(3, 8) + struct.pack(">d", value)
    if isinstance(value, Uint):
        number = value.value.to_bytes(8, "big").lstrip(b"\0")
        return control(value.kind, len(number)) + number
    if isinstance(value, int):
        return encode(Uint(6, value))
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(encode, value))
    raise TypeError(type(value))


def mmdb(networks: dict, ip_version: int = 6, record_size: int = 24) -> bytes:
    """IPv4 networks are at ::/96 of an IPv6 tree, as in MaxMind's own files."""
    data, nodes = b"", [[None, None]]
    for text, value in networks.items():
        network = ipaddress.ip_network(text)
        bits, length = int(network.network_address), network.prefixlen
        width = 32 if ip_version == 4 else 128
        if network.version == 4 and ip_version == 6:
            length += 96
        node = 0
        for depth in range(length):
            side = bits >> (width - 1 - depth) & 1
            if depth == length - 1:
                nodes[node][side] = ("data", len(data))
            else:
                if nodes[node][side] is None:
                    nodes.append([None, None])
                    nodes[node][side] = ("node", len(nodes) - 1)
                node = nodes[node][side][1]
        data += encode(value)
    count = len(nodes)

    def number(record):
        if record is None:
            return count
        return record[1] if record[0] == "node" else count + 16 + record[1]

    tree = b""
    for left, right in nodes:
        a, b = number(left), number(right)
        if record_size == 24:
            tree += a.to_bytes(3, "big") + b.to_bytes(3, "big")
        elif record_size == 28:
            tree += (a & 0xffffff).to_bytes(3, "big") + bytes([(a >> 24) << 4 | b >> 24]) + (b & 0xffffff).to_bytes(3, "big")
        else:
            tree += struct.pack(">II", a, b)
    metadata = {"binary_format_major_version": Uint(5, 2), "binary_format_minor_version": Uint(5, 0),
                "build_epoch": Uint(9, 1_700_000_000), "database_type": "Test-City", "description": {"en": "for a test"},
                "ip_version": Uint(5, ip_version), "languages": ["en"], "node_count": Uint(6, count),
                "record_size": Uint(5, record_size)}
    return tree + b"\0" * 16 + data + METADATA + encode(metadata)
