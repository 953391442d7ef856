"""A slow JPEG encoder with all freedom: sampling factors, components, scans, progression, restarts.

Names are those of ITU-T T.81. Codes are long, since all tables hold every symbol with one length.
"""

import numpy as np

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
_N = np.arange(8)
DCT = np.sqrt(2 / 8) * np.cos((2 * _N[None] + 1) * _N[:, None] * np.pi / 16)
DCT[0] /= np.sqrt(2)


def table(kind, symbols, length):
    """Return a table's specification, and its codes as (code, length) by symbol."""
    counts = [0] * 16
    counts[length - 1] = len(symbols)
    return bytes([kind * 16, *counts, *symbols]), {s: (i, length) for i, s in enumerate(symbols)}


DC_TABLE, DC = table(0, list(range(12)), 4)
AC_TABLE, AC = table(1, [16 * run + size for size in range(11) for run in range(16)], 8)


def segment(marker, body):
    return bytes([255, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def shifted(value, bits):
    return (abs(value) >> bits) * (1 if value >= 0 else -1)


class Bits:
    """Coded data."""

    def __init__(self):
        self.text = ""

    def put(self, value, count):
        self.text += format(value, f"0{count}b") if count else ""

    def number(self, value, codes, run=0):
        """Write a coefficient after a run of zeros."""
        size = abs(value).bit_length()
        self.put(*codes[16 * run + size])
        self.put(value if value >= 0 else value + (1 << size) - 1, size)

    def end(self):
        text, self.text = self.text + "1" * (-len(self.text) % 8), ""
        return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\0")


class Picture:
    """An image as coefficients. factors holds (h, v) of each plane."""

    def __init__(self, planes, factors, step=8, ids=None):
        self.h, self.w = planes[0].shape
        self.factors, self.step, self.ids = factors, step, ids or range(1, len(planes) + 1)
        if len(planes) == 1:
            self.factors = [(1, 1)]
        most = [max(f[i] for f in self.factors) for i in (0, 1)]
        self.mcus = [-(-self.w // (8 * most[0])), -(-self.h // (8 * most[1]))]
        self.blocks, self.coefs = [], []
        for plane, (h, v) in zip(planes, self.factors, strict=True):
            size = [-(-self.w * h // most[0]), -(-self.h * v // most[1])]
            self.blocks.append([-(-s // 8) for s in size])
            wide, high = self.mcus[0] * h, self.mcus[1] * v
            rows = np.minimum(np.arange(8 * high) * most[1] // v, self.h - 1)
            columns = np.minimum(np.arange(8 * wide) * most[0] // h, self.w - 1)
            samples = plane[rows][:, columns].astype(float) - 128
            blocks = DCT @ samples.reshape(high, 8, wide, 8).transpose(0, 2, 1, 3) @ DCT.T
            self.coefs.append(np.round(blocks / step).astype(int).reshape(high, wide, 64)[:, :, ZIGZAG])

    def head(self, frame, segments=b"", factors=None):
        parts = zip(self.ids, factors or self.factors, strict=True)
        body = self.h.to_bytes(2, "big") + self.w.to_bytes(2, "big") + bytes([len(self.factors)])
        body += b"".join(bytes([i, 16 * h + v, 0]) for i, (h, v) in parts)
        tables = segment(0xDB, b"\0" + bytes([self.step] * 64)) + segment(0xC4, DC_TABLE + AC_TABLE)
        return b"\xff\xd8" + segments + tables + segment(frame, b"\x08" + body)

    def blocks_of(self, parts):
        """Yield the MCUs of a scan: lists of (component, row, column)."""
        if len(parts) == 1:
            wide, high = self.blocks[parts[0]]
            yield from ([(parts[0], y, x)] for y in range(high) for x in range(wide))
            return
        for y in range(self.mcus[1]):
            for x in range(self.mcus[0]):
                sizes = [(p, *self.factors[p]) for p in parts]
                yield [(p, y * v + j, x * h + i) for p, h, v in sizes for j in range(v) for i in range(h)]

    def scan(self, parts, restart=0, band=(0, 63), high=0, low=0, progressive=True, fill=b""):
        """Return a scan of some components: the bits from low on of a band of coefficients."""
        header = bytes([len(parts)]) + b"".join(bytes([self.ids[p], 0]) for p in parts)
        out, bits = segment(0xDA, header + bytes([*band, 16 * high + low])), Bits()
        last, run, corrections = {}, 0, []

        def flush():
            nonlocal run, corrections
            if run:
                size = run.bit_length() - 1
                bits.put(*AC[16 * size])
                bits.put(run - (1 << size), size)
                for bit in corrections:
                    bits.put(bit, 1)
            run, corrections = 0, []

        def zeros_and_values(values):
            zeros = 0
            for value in values:
                if value == 0:
                    zeros += 1
                    continue
                while zeros > 15:
                    bits.put(*AC[0xF0])
                    zeros -= 16
                bits.number(value, AC, zeros)
                zeros = 0

        def refine(now, before):
            """Write a block of a refining scan, up to its last new coefficient."""
            nonlocal corrections, run
            new = [k for k, value in enumerate(now) if value and not before[k]]
            end = new[-1] + 1 if new else 0
            if new:
                flush()
            zeros, pending = 0, []
            for k in range(end):
                code = None
                if before[k]:
                    pending.append(abs(now[k]) & 1)
                elif now[k]:
                    code = AC[16 * zeros + 1]
                elif zeros == 15:
                    code = AC[0xF0]
                else:
                    zeros += 1
                if code:
                    bits.put(*code)
                    if now[k]:
                        bits.put(int(now[k] > 0), 1)
                    for bit in pending:
                        bits.put(bit, 1)
                    zeros, pending = 0, []
            if end < len(now):
                run += 1
                corrections += [abs(now[k]) & 1 for k in range(end, len(now)) if before[k]]

        for i, mcu in enumerate(self.blocks_of(parts)):
            if restart and i and i % restart == 0:
                flush()
                out += bits.end() + fill + bytes([255, 0xD0 + (i // restart - 1) % 8])
                last = {}
            for p, y, x in mcu:
                block = [int(value) for value in self.coefs[p][y, x]]
                values = [shifted(value, low) for value in block[max(band[0], 1) : band[1] + 1]]
                ends = max((k + 1 for k, value in enumerate(values) if value), default=0)
                if band[0] == 0 and high:
                    bits.put(block[0] >> low & 1, 1)
                elif band[0] == 0:
                    bits.number((block[0] >> low) - last.get(p, 0), DC)
                    last[p] = block[0] >> low
                if not progressive:
                    zeros_and_values(values[:ends])
                    if ends < 63:
                        bits.put(*AC[0])
                elif band[0] and high:
                    refine(values, [shifted(value, high) for value in block[band[0] : band[1] + 1]])
                elif band[0]:
                    if ends:
                        flush()
                        zeros_and_values(values[:ends])
                    run += ends < len(values)
        flush()
        return out + bits.end()

    def sequential(self, segments=b"", restart=0, together=True, factors=None, fill=b""):
        """Return a baseline file, with one scan or a scan for each component."""
        parts = list(range(len(self.factors)))
        groups = [parts] if together else [[p] for p in parts]
        scans = [self.scan(g, restart, progressive=False, fill=fill) for g in groups]
        interval = segment(0xDD, restart.to_bytes(2, "big"))
        return self.head(0xC0, segments, factors) + interval + b"".join(scans) + b"\xff\xd9"

    def progressive(self, segments=b"", restart=0, together=True, factors=None, fill=b""):
        """Return a progressive file with all four kinds of scans."""
        parts = [[p] for p in range(len(self.factors))]
        all_parts = [[p for (p,) in parts]] if together else parts
        scans = [(g, (0, 0), 0, 1) for g in all_parts]
        scans += [(g, band, 0, 2) for band in ((1, 5), (6, 63)) for g in parts]
        scans += [(g, (1, 63), 2, 1) for g in parts] + [(g, (0, 0), 1, 0) for g in all_parts]
        scans += [(g, (1, 63), 1, 0) for g in parts]
        coded = b"".join(self.scan(g, restart, band, high, low, fill=fill) for g, band, high, low in scans)
        interval = segment(0xDD, restart.to_bytes(2, "big"))
        return self.head(0xC2, segments, factors) + interval + coded + b"\xff\xd9"
