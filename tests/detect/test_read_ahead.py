"""Items in their order from a thread that ends with whoever reads them."""

import threading
from collections.abc import Iterator

import pytest

from aukit.detect.read_ahead import read_ahead


def threads() -> int:
    return sum(thread.name == "read ahead" for thread in threading.enumerate())


def test_all_items_in_their_order() -> None:
    assert list(read_ahead(range(50), 3)) == list(range(50))
    assert threads() == 0


def test_no_more_are_taken_than_allowed() -> None:
    taken: list[int] = []
    enough = threading.Event()

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            if number == 3:
                enough.set()
            yield number

    reader = read_ahead(items(), 2)
    assert next(reader) == 0
    assert enough.wait(10)  # one given, two that wait, one in hand
    reader.close()
    assert len(taken) <= 5
    assert threads() == 0


def test_errors_come_where_the_item_would() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    reader = read_ahead(items(), 5)
    assert next(reader) == 1
    with pytest.raises(ValueError, match="broken"):
        next(reader)
    assert threads() == 0
