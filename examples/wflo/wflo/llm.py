"""The language model: what a call costs, and a stand-in that answers without a network."""

from decimal import Decimal
from typing import NamedTuple


class Price(NamedTuple):
    """US dollars for a million tokens."""

    input: Decimal
    output: Decimal


PRICES = {
    "gpt-4": Price(Decimal(30), Decimal(60)),
    "gpt-3.5-turbo": Price(Decimal("0.5"), Decimal("1.5")),
    "claude-3-5-sonnet": Price(Decimal(3), Decimal(15)),
}


class UnknownModelError(LookupError):
    """The price table has no such model."""


def cost_of(model: str, input_tokens: int, output_tokens: int) -> Decimal:
    """Return the price of a call in US dollars. Raises UnknownModelError."""
    if model not in PRICES:
        raise UnknownModelError(f"no price for {model!r}; known: {', '.join(PRICES)}")
    price = PRICES[model]
    return (input_tokens * price.input + output_tokens * price.output) / 1_000_000


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of `text` without a tokenizer: four characters each, rounded up."""
    return -(-len(text) // 4)


def estimate_cost(model: str, prompt: str, max_output_tokens: int) -> Decimal:
    """Return the most that a call may cost, before it is made."""
    return cost_of(model, estimate_tokens(prompt), max_output_tokens)


def answer(model: str, prompt: str) -> str:
    """Answer `prompt`, always with the same text."""
    return f"{model} says: {prompt[::-1]}"
