"""The JSON Schemas that contracts are exported as, judged by ajv: random contracts, values that the
decoder took and values that it refused.

PINION_AJV_CASES: how many values (default 40,000)."""

import os
import pathlib
import subprocess

import e2e_host
import pytest

WRITER = pathlib.Path(e2e_host.BINARY).resolve().parent / "tests" / "unit_lua_test_property"
CASES = int(os.environ.get("PINION_AJV_CASES", "40000"))


@pytest.mark.skipif(not WRITER.exists(), reason="the unit tests are not built")
@pytest.mark.limit(300)
def test_ajv_says_what_the_decoder_says(run_node, folder):
    written = folder / "cases"
    subprocess.run([WRITER], check=True, capture_output=True, timeout=120,
        env={**os.environ, "PINION_PROPERTY_CASES": str(CASES), "PINION_PROPERTY_SEED": "3",
             "PINION_PROPERTY_OUT": str(written)})
    found = run_node("judge.mjs", written)
    assert found["differ"] == []
    assert found["valid"] + found["invalid"] >= CASES
    assert min(found["valid"], found["invalid"]) > CASES / 5
    print(f"{found['schemas']} contracts, {found['valid']} good values, {found['invalid']} others")
