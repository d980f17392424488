#!/usr/bin/env python3
"""Writes charset_single.inc and charset_overrides.inc from what a running server says.

usage: make_charset_tables.py SOCKET [OUTPUT_DIR]     (a MySQL server: MariaDB lacks gb18030)

Single-byte sets are written whole; East Asian sets as the runs in which the server differs from
ICU's converter (ctypes, libicuuc). Needs the `mariadb` client. Bytes without a meaning: U+FFFD.
"""
import ctypes
import ctypes.util
import os
import re
import subprocess
import sys

SINGLE = """armscii8 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 geostd8 greek hebrew hp8
keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman tis620""".split()
MULTI = {  # the ICU converter that is nearest; whether its private use area is kept
    "gbk": ("windows-936-2000", False),
    "gb2312": ("ibm-1383_P110-1999", False),
    "gb18030": ("gb18030", True),
    "big5": ("ibm-950_P110-1999", False),
    "sjis": ("ibm-943_P130-1999", False),
    "cp932": ("ibm-943_P15A-2003", True),
    "euckr": ("windows-949-2000", False),
    "ujis": ("ibm-954_P101-2007", False),
    "eucjpms": ("ibm-954_P101-2007", True),
}
UNMAPPED = 0xFFFD


def query(socket, sql):
    run = subprocess.run(["mariadb", "-uroot", "-S", socket, "-N", "--raw"], input=sql.encode(),
                         capture_output=True, check=True)
    return run.stdout.decode()


def server_map(socket, charset, low, high):
    """{number: code point} of the well-formed characters with that big-endian number."""
    sql = f"""WITH RECURSIVE d(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM d WHERE i < 255),
      n(n) AS (SELECT a.i * 65536 + b.i * 256 + c.i FROM d a, d b, d c
               WHERE a.i = {low >> 16} AND b.i BETWEEN {(low >> 8) & 255} AND {(high >> 8) & 255})
      SELECT n, HEX(CONVERT(CHAR(n USING {charset}) USING utf32)) FROM n
      WHERE n BETWEEN {low} AND {high} AND CHAR_LENGTH(CHAR(n USING {charset})) = 1"""
    out = {}
    for line in query(socket, sql).splitlines():
        number, code = line.split("\t")
        value = int(code, 16) if len(code) == 8 else UNMAPPED
        out[int(number)] = UNMAPPED if value == 0x3F and int(number) != 0x3F else value
    return out


class Icu:
    def __init__(self):
        name = ctypes.util.find_library("icuuc")
        self.lib = ctypes.CDLL(name)
        self.version = re.search(r"\.so\.(\d+)", name).group(1)

    def call(self, name, restype=None):
        function = getattr(self.lib, f"{name}_{self.version}")
        function.restype = restype
        return function

    def open(self, converter):
        error = ctypes.c_int(0)
        handle = self.call("ucnv_open", ctypes.c_void_p)(converter.encode(), ctypes.byref(error))
        assert error.value <= 0, converter
        return handle

    def decode(self, handle, raw):
        buffer = (ctypes.c_uint16 * 8)()
        error = ctypes.c_int(0)
        count = self.call("ucnv_toUChars", ctypes.c_int32)(
            ctypes.c_void_p(handle), buffer, 8, raw, len(raw), ctypes.byref(error))
        return buffer[0] if count == 1 and error.value <= 0 else UNMAPPED


def write_single(socket, out):
    for charset in SINGLE:
        codes = server_map(socket, charset, 0, 255)
        assert all(codes[i] == i for i in range(128)), charset
        out.write(f'{{"{charset}", {{')
        for i in range(128, 256):
            out.write(("\n    " if i % 12 == 8 else " ") + f"0x{codes.get(i, UNMAPPED):X},")
        out.write("\n}},\n")


def write_overrides(socket, out):
    icu = Icu()
    for charset, (converter, keep_private) in MULTI.items():
        codes = server_map(socket, charset, 0x80, 0xFFFF)
        if charset in ("ujis", "eucjpms"):
            codes.update(server_map(socket, charset, 0x8FA1A1, 0x8FFEFE))
        handle = icu.open(converter)
        runs = []  # [first number, last number, first code point]
        for number, code in sorted(codes.items()):
            raw = number.to_bytes(1 if number < 256 else 2 if number < 65536 else 3, "big")
            mine = icu.decode(handle, raw)
            if not keep_private and 0xE000 <= mine <= 0xF8FF:
                mine = UNMAPPED
            if mine == code:
                continue
            step = 0 if code == UNMAPPED else 1
            if runs and runs[-1][1] + 1 == number and code == runs[-1][2] + step * (
                    number - runs[-1][0]):
                runs[-1][1] = number
            else:
                runs.append([number, number, code])
        out.write(f"constexpr Override k_{charset}[] = {{{{0, 0, 0}}")
        for i, (first, last, code) in enumerate(runs):
            out.write((",\n    " if i % 4 == 0 else ", ")
                      + f"{{0x{first:X}, 0x{last:X}, 0x{code:X}}}")
        out.write("};\n")
    out.write("constexpr Multibyte kMultibytes[] = {\n")
    for charset, (converter, keep_private) in MULTI.items():
        out.write(f'    {{"{charset}", "{converter}", {str(keep_private).lower()}, '
                  f"k_{charset}}},\n")
    out.write("};\n")


def main():
    socket = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(__file__), "..")
    head = "// Written by tools/make_charset_tables.py from a server's answers. Do not edit.\n"
    with open(os.path.join(folder, "charset_single.inc"), "w") as out:
        write_single(socket, out.write(head) and out)
    with open(os.path.join(folder, "charset_overrides.inc"), "w") as out:
        write_overrides(socket, out.write(head) and out)


main()
