"""A release that is small: a wheel of a vigie with one module, and pip's, from the interpreter."""

import base64
import ensurepip
import hashlib
import json
import zipfile
from pathlib import Path

from actors.releases import archive
from actors.releases.build import Order, build
from actors.releases.environment import interpreter, own_interpreter
from actors.releases.wheels import lock

INVENTORY = "import json\nprint(json.dumps({said!r}))\n"
BUNDLED = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))
"""Where interpreters keep the wheel of pip; the second is Debian's."""

SAID = {"states": {"session": 1}, "libraries": {"vigie": "9.1"}}


def wheel(directory, version="9.1", said=None):
    """Write a wheel of vigie; returns its path."""
    path = Path(directory, f"vigie-{version}-py3-none-any.whl")
    info = f"vigie-{version}.dist-info"
    files = {
        "actors/__init__.py": "",
        "actors/releases/__init__.py": "",
        "actors/releases/inventory.py": INVENTORY.format(said=said or SAID),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: vigie\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nvigie = actors:main\n",
    }
    rows = [f"{name},{_record(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"])
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(zipfile.ZipInfo(name), text)  # of no time: the same bytes always
    return path


def _record(text):
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(text.encode())}"


def store(directory):
    """A store of wheels that has pip's; returns a lock file of it."""
    directory = Path(directory)
    bundled = next(path for place in BUNDLED for path in sorted(place.glob("pip-*.whl")))
    place = directory / archive.sha256(bundled)
    place.mkdir(parents=True)
    (place / bundled.name).write_bytes(bundled.read_bytes())
    known = directory / "pip.txt"
    known.write_text(lock([place / bundled.name]))
    return known


def release(directory, version="9.1", said=None, key=None):
    """Build a small release; returns its archive."""
    directory = Path(directory)
    output = directory / f"{version}.tar"
    wheels = directory / "wheels"
    known = wheels / "pip.txt"
    if not known.exists():
        store(wheels)
    order = Order(output, wheel=wheel(directory, version, said), wheels=wheels, lock=known, key=key)
    build(order)
    return output


def this():
    """The interpreter that small releases are built for."""
    return interpreter(own_interpreter())


def changed(file, change):
    """Rewrite the manifest of an archive, hashes and all else as they were."""
    found = archive.head(file)
    into = file.parent / f"{file.stem}-files"
    into.mkdir()
    archive.unpack(file, into)
    manifest = json.loads(found.signed)
    change(manifest)
    files = {name: into / name for name in found.manifest.hashes}
    archive.write(file, json.dumps(manifest).encode(), found.signature, files)
    return file
