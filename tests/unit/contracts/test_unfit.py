"""A sender hears what is wrong in JSON's words, whatever a model is made of here."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from services.contracts.unfit import why


@dataclass
class Point:
    x: int


class Inner(BaseModel):
    a: int


class Outer(BaseModel):
    pair: tuple[str, ...]
    several: frozenset[str]
    named: dict[str, int]
    inner: Inner
    point: Point
    one: int
    ours: str

    @field_validator("ours")
    @classmethod
    def _short(cls, _text: str) -> str:
        raise ValueError("must be shorter")


WRONG = dict.fromkeys(("pair", "several", "named", "inner", "point", "one"), "x") | {"ours": ""}


@pytest.mark.parametrize("validate", [Outer.model_validate, lambda wrong: Outer.model_validate_json(json.dumps(wrong))])
def test_a_field_that_does_not_fit_is_told_without_a_word_of_python(validate):
    with pytest.raises(ValidationError) as caught:
        validate(WRONG)
    said = {fault["loc"][0]: why(fault) for fault in caught.value.errors()}
    assert said["pair"] == said["several"] == "must be a list"
    assert said["named"] == said["inner"] == said["point"] == "must be an object"
    assert said["one"].startswith("Input should be a valid integer")
    assert said["ours"] == "must be shorter"
