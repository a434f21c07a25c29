"""Payload bytes to messages and back: the closed table of classes, pickle, json, msgpack, compression, stand-ins.

Knows the formats of PROTOCOL section 4; no frame, no connection, no cluster, and never imports or calls what it reads.
Start reading at `Codec`, then `Registry` for what may be built and `pickle_reader` for how bytes become it.
"""

from casty_notebook.codec.codec import SERIALIZERS, Codec, TakesLonger, detect, recognise
from casty_notebook.codec.compression import ALGORITHMS
from casty_notebook.codec.refs import casty_ref_uri
from casty_notebook.codec.registry import Layout, Registry
from casty_notebook.codec.remote_error import RemoteError
from casty_notebook.codec.standin import StandIn, StandInClass, StandInModule, module_proxy, stand_in_class

__all__ = [
    "ALGORITHMS",
    "SERIALIZERS",
    "Codec",
    "Layout",
    "Registry",
    "RemoteError",
    "StandIn",
    "StandInClass",
    "StandInModule",
    "TakesLonger",
    "casty_ref_uri",
    "detect",
    "module_proxy",
    "recognise",
    "stand_in_class",
]
