"""Payload bytes to messages and back: pickle, json, msgpack, under any compression; the table of classes is `values.registry`.

Knows the formats of PROTOCOL section 4; no frame, no connection, no cluster, and never imports or calls what it reads.
Start reading at `Codec`, then at `pickle.reader` or `trees.tree` for how bytes become what the registry allows.
"""

from casty_notebook.backends.sharded.codec.codec import Codec, TakesLonger, detect, recognise
from casty_notebook.backends.sharded.codec.serializers import SERIALIZERS

__all__ = ["SERIALIZERS", "Codec", "TakesLonger", "detect", "recognise"]
