"""The JSON schema of the file, for editors.

python -m hub.as_code.schema      writes docs/conditions-as-code.schema.json
"""

import json
from pathlib import Path

from hub.as_code.desired import DesiredState

PATH = Path(__file__).resolve().parents[2] / "docs" / "conditions-as-code.schema.json"


def schema_text() -> str:
    """The schema as it is committed."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **DesiredState.model_json_schema()}
    return json.dumps(schema | {"title": "Conditions as code"}, indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema_text(), encoding="utf-8")
