"""Prices and estimates."""

from decimal import Decimal

import pytest

from wflo.llm import UnknownModelError, cost_of, estimate_cost, estimate_tokens


def test_input_and_output_have_their_own_price() -> None:
    """A million tokens in cost less than a million tokens out."""
    assert cost_of("gpt-4", 1_000_000, 0) == 30, "input price of gpt-4"
    assert cost_of("gpt-4", 0, 1_000_000) == 60, "output price of gpt-4"


def test_unknown_model_is_named() -> None:
    """The error names the model and those that have a price."""
    with pytest.raises(UnknownModelError, match=r"'gpt-5'.*claude-3-5-sonnet"):
        cost_of("gpt-5", 1, 1)


def test_tokens_are_rounded_up() -> None:
    """Four characters make a token, and a rest makes one more."""
    estimates = [estimate_tokens(text) for text in ("", "abcd", "abcde")]

    assert estimates == [0, 1, 2], "estimates for 0, 4 and 5 characters"


def test_estimate_assumes_the_longest_answer() -> None:
    """The estimate is what prompt and longest answer cost together."""
    estimate = estimate_cost("claude-3-5-sonnet", "a" * 4000, max_output_tokens=1000)

    assert estimate == Decimal("0.018"), "1000 tokens in at 3 and 1000 out at 15 USD a million"
