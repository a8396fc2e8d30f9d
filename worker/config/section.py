"""What every section of the settings is made of: the frozen base model and the documented key."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic.config import JsonDict

PREFIX = "EMOSTREAM_"
DELIMITER = "__"

Name = Annotated[str, StringConstraints(min_length=1)]


def key(default: Any, about: str, *, unit: str = "", expected: str = "", **bounds: Any) -> Any:
    """A documented key. `expected` replaces the range that is otherwise read off the type and bounds."""
    notes: JsonDict = {"x-unit": unit}
    if expected:
        notes["x-expected"] = expected
    return Field(default, description=about, json_schema_extra=notes, **bounds)


class Section(BaseModel):
    """One section of the file. YAML's true and false are no numbers here, though Python thinks so."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_numbers(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError("true and false are not accepted here")
        return value
