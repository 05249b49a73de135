"""The body of a problem: RFC 9457 problem details."""

from typing import Annotated

from pydantic import Field

from api.bodies.answers import Answer


class ProblemItem(Answer):
    """One thing that was wrong with a request."""

    pointer: Annotated[str | None, Field(description="JSON pointer into the body")] = None
    parameter: Annotated[str | None, Field(description="Name of the query parameter, header or path parameter")] = None
    detail: str


class Problem(Answer):
    """RFC 9457 problem details."""

    type: Annotated[str, Field(examples=["urn:condition-hub:problem:invalid-condition"])]
    title: str
    status: int
    detail: str
    request_id: str
    errors: Annotated[list[ProblemItem], Field(description="What was wrong, item by item; may be empty")]
