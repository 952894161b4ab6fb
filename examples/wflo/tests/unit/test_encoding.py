"""What is written to Kafka and Redis."""

from wflo.cache import LLMCache
from wflo.events import Event


def test_event_is_read_as_it_was_written() -> None:
    """Encoding and decoding are inverse."""
    event = Event("run-1", "completed", {"text": "größer als ½"})

    assert Event.decode(event.encode()) == event, "the same event came back"


def test_cache_key_does_not_depend_on_parameter_order() -> None:
    """Two spellings of one question share a reply."""
    cache = LLMCache(redis=None)  # type: ignore[arg-type]  # keys are made without Redis

    first = cache.key("gpt-4", "hi", {"temperature": 0, "top_p": 1})
    second = cache.key("gpt-4", "hi", {"top_p": 1, "temperature": 0})

    assert first == second, "the order of the parameters changed the key"
