"""package.py ZIP: prints the processor that the function in a zip was built for, as Lambda calls it.

It is the machine that the head of the executable `bootstrap` names: https://refspecs.linuxfoundation.org/elf/gabi4+/
ch4.eheader.html
"""

from __future__ import annotations

import sys
import zipfile

MACHINES = {62: "x86_64", 183: "arm64"}


def architecture(package: str) -> str:
    """The name, or what the file has in its place."""
    with zipfile.ZipFile(package) as archive, archive.open("bootstrap") as executable:
        head = executable.read(20)
    if head[:4] != b"\x7fELF":
        return "something else than Linux"
    machine = int.from_bytes(head[18:20], "little")
    return MACHINES.get(machine, f"machine {machine}")


if __name__ == "__main__":
    try:
        print(architecture(sys.argv[1]))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
