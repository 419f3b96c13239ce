"""Public validators from npm accept the OpenAPI document, and every example in it fits its schema."""

import json

import e2e_host
import pytest

SHOP = e2e_host.ROOT / "tests" / "e2e" / "plugins" / "shop"
SECONDS = 240  # the first one installs the packages


@pytest.fixture
def document(folder):
    """document(directory…) is the file of their document."""
    def write(*directories):
        result = e2e_host.run("openapi", *directories)
        assert result.returncode == 0, result.stderr
        path = folder / "openapi.json"
        path.write_text(result.stdout, encoding="utf-8")
        return path
    return write


@pytest.mark.limit(SECONDS)
@pytest.mark.parametrize("directories", [[e2e_host.PLUGINS], [SHOP]], ids=["shipped", "shop"])
def test_the_document_is_accepted(node, document, directories):
    result = node("check-openapi.mjs", document(*directories))
    assert (result.returncode, result.stderr) == (0, "")
    assert not result.stdout.startswith("0 schemas")


@pytest.mark.limit(SECONDS)
def test_a_running_host_serves_such_a_document(node, start_host, folder):
    host = start_host([SHOP])
    for name, answer in (("served", host.request("GET", "/openapi.json")),
                         ("admin", host.admin_request("/openapi.json"))):
        path = folder / f"{name}.json"
        path.write_bytes(answer.body)
        result = node("check-openapi.mjs", path)
        assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.limit(SECONDS)
def test_the_check_itself_finds_what_is_wrong(node, document):
    path = document(SHOP)
    good = json.loads(path.read_text())
    broken = json.loads(path.read_text())
    del broken["info"]["version"]
    wrong_example = good["paths"]["/call/shop.place@1"]["post"]["requestBody"]["content"]
    wrong_example["application/json"]["example"] = {"sku": 1}
    for content, named in ((broken, "not OpenAPI"), (good, "/requestBody/")):
        path.write_text(json.dumps(content))
        result = node("check-openapi.mjs", path)
        assert result.returncode == 1 and named in result.stderr
