"""Reference tables on the command line, with a whole node."""

import os
import signal

import pytest

from actors.reference.loading import INLINE_BYTES
from supervision.anchor.testing import wait_for

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[anchor]
restart_min_s = 0.05
"""


def listed(vigie):
    """The tables by name, once nothing is being done with any of them."""
    code, found = vigie("reference", "list")
    if code or any(item["doing"] for item in found["items"]):
        return None
    return {item["table"]: item for item in found["items"]}


def products(path, count):
    lines = "".join(f"PRODUCT-{number};PTF-{number % 9}\n" for number in range(count))
    path.write_text(f"product;platform\n{lines}")
    return path


def test_tables_are_loaded_looked_into_rolled_back_and_kept(vigie, tmp_path):
    tables = wait_for(lambda: listed(vigie))
    assert len(tables) == 9
    assert tables["allSerTech"]["rows"] > 0
    assert tables["infoRP"]["rows"] == 0  # routing points are the operator's
    assert "context" in tables
    code, info = vigie("reference", "load", products(tmp_path / "RF_PRDPTF.csv", 10))
    assert (code, info["rows"], info["previous"]) == (0, 10, 1)
    row = vigie("reference", "get", "PRDPTF", "PRODUCT-3")[1]["row"]
    assert row == {"product": "PRODUCT-3", "platform": "PTF-3"}
    refusals(vigie, tmp_path)
    large = products(tmp_path / "large.csv", 20_000)
    assert large.stat().st_size > INLINE_BYTES
    code, info = vigie("reference", "load", large, "--table", "PRDPTF", "--reason", "all of them")
    assert (code, info["rows"], info["version"]) == (0, 20_000, info["previous"] + 1)
    code, info = vigie("reference", "rollback", "PRDPTF")
    assert (code, info["rows"]) == (0, 10)
    os.kill(vigie("info")[1]["node"]["pid"], signal.SIGKILL)
    after = wait_for(lambda: listed(vigie))
    assert after["PRDPTF"]["rows"] == 10
    assert after["PRDPTF"]["version"] == info["version"]


def refusals(vigie, tmp_path):
    bad = tmp_path / "PRDPTF.csv"
    bad.write_text("product;platform\nA;b c\n")
    code, refused = vigie("reference", "load", bad)
    assert code == 64
    assert "line 2, column platform" in refused["error"]["msg"]
    bad.write_text("product;platform\nA;B\n")
    assert vigie("reference", "load", bad)[0] == 1  # too few rows
    assert vigie("reference", "load", tmp_path / "none.csv", "--table", "PRDPTF")[0] == 64
    assert vigie("reference", "load", bad, "--table", "nothing")[0] == 1
    assert vigie("reference", "rollback", "context")[0] == 1
    assert vigie("reference", "get", "PRDPTF", "A")[0] == 1
