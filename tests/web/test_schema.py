"""The API against its own description: schemathesis asks what nobody would (`make test-web`)."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from spectype.web.app import make_app
from spectype.web.desk import open_desk
from tests.web.conftest import CODES, TOKEN, make_table, spectrum_text

if not os.environ.get("SPECTYPE_BROWSER"):
    pytest.skip("the API is searched by make test-web", allow_module_level=True)
schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")

from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

HEADERS = {"authorization": f"Bearer {TOKEN}", "host": "127.0.0.1"}


def test_every_answer_is_one_that_was_described(tmp_path):
    (tmp_path / "spectra").mkdir()
    for i, code in enumerate(CODES):
        (tmp_path / "spectra" / f"{i}.csv").write_text(spectrum_text(code))
    make_table(28).write_parquet(tmp_path / "types.parquet")
    app = make_app(open_desk(tmp_path / "types.parquet"), token=TOKEN)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)
    operations = [found.ok() for found in schema.get_all_operations()]
    asked = {}
    for operation in operations:

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case):
            answer = case.call(headers=HEADERS)
            asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
            assert answer.status_code < 500, answer.text
            # What fits the description may still name a column that the table does not have.
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        ask()
    assert len(asked) == len(operations) > 20 and min(asked.values()) >= 1
