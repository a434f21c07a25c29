"""Trees of plain values, as json and msgpack carry them: start at `tree`, which knows how messages are marked in them."""
