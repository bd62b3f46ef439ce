"""The commands below `vigie release`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from actors.cli.arguments import Commands, argument, verb

_VSN = argument("vsn", metavar="VSN", help="the release, as release list names it")
_CONFIG = argument(
    "--config", type=Path, metavar="FILE", help="the node's configuration (the one that runs)"
)


def _build(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    verb(
        "release_files:build",
        argument(
            "--from", dest="checkout", type=Path, metavar="CHECKOUT", help="build of these sources"
        ),
        argument("--wheel", type=Path, metavar="FILE", help="or of this wheel of vigie"),
        argument("--python", metavar="PY", help="the interpreter to build for (the one that runs)"),
        argument("--wheels", type=Path, metavar="DIR", help="keep wheels and their locks there"),
        argument(
            "--lock",
            type=Path,
            metavar="FILE",
            help="take these wheels: a requirements file with hashes",
        ),
        argument("--sign", type=Path, metavar="KEY", help="sign with this ed25519 key (PEM)"),
    )(parser, words)
    output = "the archive"
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=output)


RELEASE: Commands = {
    "build": ("Make an archive of a checkout or a wheel.", _build),
    "install": (
        "Install an archive beside the release that runs.",
        verb(
            "release_files:install",
            argument("file", type=Path, metavar="FILE", help="the archive"),
            argument("--python", metavar="PY", help="the interpreter that it runs on"),
            _CONFIG,
        ),
    ),
    "list": ("List the installed releases and what each is.", verb("release_files:list_releases")),
    "remove": (
        "Take an unpacked or old release from the disk.",
        verb("release_files:remove", _VSN),
    ),
    "key": (
        "Show the public key of a signing key, which is made where it is not there.",
        verb(
            "release_files:key", argument("file", type=Path, metavar="FILE", help="the key (PEM)")
        ),
    ),
}
