import base64
import hashlib
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from .kinds import KIND

ROW = KIND.row
COLUMN = KIND.feature
API_KEY = "new"


def test_the_documentation_describes_the_contract_and_needs_no_other_host(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert COLUMN in document["components"]["schemas"]["Row"]["properties"]
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert client.post("/predict", json=example).status_code == 200
    for path in ("/docs", "/redoc", "/"):
        page = client.get(path)
        assert page.status_code == 200
        assert not [word for word in ('src="http', 'href="http', "url(http") if word in page.text]


def test_the_documentation_says_how_many_rows_and_what_a_violation_looks_like(serve: Callable) -> None:
    document = serve(API_MAX_ROWS="7")[0].get("/openapi.json").json()["paths"]["/predict"]["post"]
    several = document["requestBody"]["content"]["application/json"]["schema"]["anyOf"][1]
    assert (several["minItems"], several["maxItems"]) == (1, 7)
    assert document["responses"]["422"]["content"]["application/json"]["schema"]["title"] == "Violations"


def test_a_wrong_key_is_told_which_header_to_send(serve: Callable) -> None:
    client, _ = serve(**{"API_KEYS": API_KEY})
    assert client.post("/predict", json=ROW).headers["www-authenticate"] == "ApiKey"
    document = client.get("/openapi.json").json()
    assert document["paths"]["/predict"]["post"]["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"


def test_the_page_may_run_nothing_but_its_own_script(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_policy_names_what_the_page_holds(client: TestClient, tag: str) -> None:
    page = client.get("/")
    content = page.text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in page.headers["content-security-policy"]
